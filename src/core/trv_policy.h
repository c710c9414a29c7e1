
/*
 * Who may do what: one table of role x operation.
 */

#ifndef TRV_POLICY_H
#define TRV_POLICY_H

#include "trv_core.h"


#define TRV_NAME_MAX_LEN  64             /* of a store, partner or operator */


typedef enum {
    TRV_ROLE_NONE = 0,
    TRV_ROLE_MERCHANT,
    TRV_ROLE_PARTNER,
    TRV_ROLE_OPERATOR
} trv_role_e;


typedef enum {
    TRV_OP_REVOKE_TOKEN = 0,             /* by full token text */
    TRV_OP_REVOKE_ID,
    TRV_OP_REVOKE_SCOPE,                 /* all of a partner, of a store */
    TRV_OP_SET_EXPIRY,                   /* "expires_at" of a revocation */
    TRV_OP_LIST_REVOCATIONS,
    TRV_OP_LIST_TOKENS,
    TRV_OP_REGISTER,
    TRV_OP_LIST_EDGES,
    TRV_OP_GET_LOG,
    TRV_OP_GET_METRICS,
    TRV_OP_WHOAMI
} trv_op_e;


typedef enum {
    TRV_SCOPE_NOTHING = 0,               /* forbidden */
    TRV_SCOPE_OWN,                       /* one's own only */
    TRV_SCOPE_ALL
} trv_scope_e;


typedef struct {
    trv_role_e  role;
    trv_str_t   name;                    /* slice of the text it came from */
} trv_principal_t;


/* what the record of a token must say; empty: anything */
typedef struct {
    trv_str_t   partner;
    trv_str_t   store;
} trv_owner_t;


/*
 * "merchant STORE", "partner PARTNER" or "operator NAME", one blank between.
 * TRV_INVALID: anything else, an empty text too.
 */
trv_rc_e trv_principal_parse(const char *text, size_t len,
    trv_principal_t *principal);

/* a static word: "merchant", "partner", "operator" or "none" */
const char *trv_role_name(trv_role_e role);

/* a store, partner or operator: [A-Za-z0-9._-]{1,64} */
bool trv_name_check(const char *name, size_t len);

/* what the role may reach by this operation */
trv_scope_e trv_policy_scope(trv_role_e role, trv_op_e op);

/*
 * The same where no token records are kept.  Then nobody can be shown to own a
 * token: merchants and partners may revoke any whose full text they hold, and
 * none else.  There are no scopes.
 */
trv_scope_e trv_policy_scope_bare(trv_role_e role, trv_op_e op);

/* whose tokens the principal may reach by an operation that is not forbidden:
   a merchant those of its store, a partner its own, where the scope is OWN */
trv_owner_t trv_policy_owner(const trv_principal_t *principal, trv_op_e op);


#endif /* TRV_POLICY_H */


/*
 * Roles and operations.  nginx says who a principal is, this table says what
 * it may do.  Whether a token is one's own is for the scripts to decide, on
 * its record.
 */

#include <string.h>

#include "trv_policy.h"


static const char *const  trv_role_names[] = {
    "none", "merchant", "partner", "operator"
};


static const unsigned char  trv_policy[][TRV_OP_WHOAMI + 1] = {

    [TRV_ROLE_NONE] = { TRV_SCOPE_NOTHING },

    [TRV_ROLE_MERCHANT] = {
        [TRV_OP_REVOKE_TOKEN] = TRV_SCOPE_OWN,
        [TRV_OP_REVOKE_ID] = TRV_SCOPE_OWN,
        [TRV_OP_REVOKE_SCOPE] = TRV_SCOPE_OWN,
        [TRV_OP_LIST_REVOCATIONS] = TRV_SCOPE_OWN,
        [TRV_OP_LIST_TOKENS] = TRV_SCOPE_OWN,
        [TRV_OP_LIST_EDGES] = TRV_SCOPE_ALL,
        [TRV_OP_WHOAMI] = TRV_SCOPE_ALL,
    },

    [TRV_ROLE_PARTNER] = {
        [TRV_OP_REVOKE_TOKEN] = TRV_SCOPE_OWN,
        [TRV_OP_REVOKE_ID] = TRV_SCOPE_OWN,
        [TRV_OP_REVOKE_SCOPE] = TRV_SCOPE_OWN,
        [TRV_OP_LIST_REVOCATIONS] = TRV_SCOPE_OWN,
        [TRV_OP_LIST_TOKENS] = TRV_SCOPE_OWN,
        [TRV_OP_LIST_EDGES] = TRV_SCOPE_ALL,
        [TRV_OP_WHOAMI] = TRV_SCOPE_ALL,
    },

    [TRV_ROLE_OPERATOR] = {
        [TRV_OP_REVOKE_TOKEN] = TRV_SCOPE_ALL,
        [TRV_OP_REVOKE_ID] = TRV_SCOPE_ALL,
        [TRV_OP_REVOKE_SCOPE] = TRV_SCOPE_ALL,
        [TRV_OP_SET_EXPIRY] = TRV_SCOPE_ALL,
        [TRV_OP_LIST_REVOCATIONS] = TRV_SCOPE_ALL,
        [TRV_OP_LIST_TOKENS] = TRV_SCOPE_ALL,
        [TRV_OP_REGISTER] = TRV_SCOPE_ALL,
        [TRV_OP_LIST_EDGES] = TRV_SCOPE_ALL,
        [TRV_OP_GET_LOG] = TRV_SCOPE_ALL,
        [TRV_OP_GET_METRICS] = TRV_SCOPE_ALL,
        [TRV_OP_WHOAMI] = TRV_SCOPE_ALL,
    },
};


trv_rc_e
trv_principal_parse(const char *text, size_t len, trv_principal_t *principal)
{
    size_t       word;
    trv_role_e   role;
    const char  *blank;

    blank = memchr(text, ' ', len);
    if (blank == NULL) {
        return TRV_INVALID;
    }

    word = blank - text;

    for (role = TRV_ROLE_MERCHANT; role <= TRV_ROLE_OPERATOR; role++) {

        if (strlen(trv_role_names[role]) != word
            || memcmp(trv_role_names[role], text, word) != 0)
        {
            continue;
        }

        principal->role = role;
        principal->name.data = blank + 1;
        principal->name.len = len - word - 1;

        return trv_name_check(principal->name.data, principal->name.len)
               ? TRV_OK : TRV_INVALID;
    }

    return TRV_INVALID;
}


const char *
trv_role_name(trv_role_e role)
{
    return trv_role_names[role];
}


bool
trv_name_check(const char *name, size_t len)
{
    size_t  i;
    char    c;

    if (len == 0 || len > TRV_NAME_MAX_LEN) {
        return false;
    }

    for (i = 0; i < len; i++) {
        c = name[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
              || (c >= '0' && c <= '9')
              || c == '.' || c == '_' || c == '-'))
        {
            return false;
        }
    }

    return true;
}


trv_owner_t
trv_policy_owner(const trv_principal_t *principal, trv_op_e op)
{
    trv_owner_t  owner = { { NULL, 0 }, { NULL, 0 } };

    if (trv_policy_scope(principal->role, op) == TRV_SCOPE_ALL) {
        return owner;
    }

    if (principal->role == TRV_ROLE_MERCHANT) {
        owner.store = principal->name;

    } else {
        owner.partner = principal->name;
    }

    return owner;
}


trv_scope_e
trv_policy_scope(trv_role_e role, trv_op_e op)
{
    return trv_policy[role][op];
}


trv_scope_e
trv_policy_scope_bare(trv_role_e role, trv_op_e op)
{
    trv_scope_e  scope;

    scope = trv_policy_scope(role, op);

    if (op == TRV_OP_REVOKE_SCOPE) {
        return TRV_SCOPE_NOTHING;
    }

    if (op == TRV_OP_REVOKE_ID && scope == TRV_SCOPE_OWN) {
        return TRV_SCOPE_NOTHING;
    }

    if (op == TRV_OP_REVOKE_TOKEN && scope == TRV_SCOPE_OWN) {
        return TRV_SCOPE_ALL;
    }

    return scope;
}

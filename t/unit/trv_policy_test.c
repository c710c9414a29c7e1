
#include "trv_test.h"
#include "trv_policy.h"


#define LONG_NAME  "partner 01234567890123456789012345678901" \
                   "234567890123456789012345678901234"


static void
trv_principal_is_a_role_and_a_name(void **state)
{
    size_t           i;
    trv_principal_t  p;

    static const char *const  bad[] = {
        "", " ", "operator", "operator ", " operator ann", "operator  ann",
        "operator ann ", "Operator ann", "admin ann", "none x",
        "operator a b", "operator a/b", "operator \xc3\xa4",
        "merchant\tyhst-1", "merchantyhst-1",
        LONG_NAME,
    };

    (void) state;

    assert_int_equal(trv_principal_parse("merchant yhst-1", 15, &p), TRV_OK);
    assert_int_equal(p.role, TRV_ROLE_MERCHANT);
    assert_int_equal(p.name.len, 6);
    assert_memory_equal(p.name.data, "yhst-1", 6);

    assert_int_equal(trv_principal_parse("partner A.b_c-9", 15, &p), TRV_OK);
    assert_int_equal(p.role, TRV_ROLE_PARTNER);

    assert_int_equal(trv_principal_parse("operator ann", 12, &p), TRV_OK);
    assert_int_equal(p.role, TRV_ROLE_OPERATOR);

    for (i = 0; i < trv_test_n(bad); i++) {
        if (trv_principal_parse(bad[i], strlen(bad[i]), &p) != TRV_INVALID) {
            fail_msg("\"%s\" was taken", bad[i]);
        }
    }
}


static void
trv_policy_gives_nobody_nothing(void **state)
{
    trv_op_e  op;

    (void) state;

    for (op = 0; op <= TRV_OP_WHOAMI; op++) {
        assert_int_equal(trv_policy_scope(TRV_ROLE_NONE, op),
                         TRV_SCOPE_NOTHING);
        assert_int_equal(trv_policy_scope(TRV_ROLE_OPERATOR, op),
                         TRV_SCOPE_ALL);
    }
}


static void
trv_policy_lets_owners_revoke(void **state)
{
    trv_role_e  role;

    (void) state;

    for (role = TRV_ROLE_MERCHANT; role <= TRV_ROLE_PARTNER; role++) {
        assert_int_equal(trv_policy_scope(role, TRV_OP_REVOKE_TOKEN),
                         TRV_SCOPE_OWN);
        assert_int_equal(trv_policy_scope(role, TRV_OP_REVOKE_ID),
                         TRV_SCOPE_OWN);
        assert_int_equal(trv_policy_scope(role, TRV_OP_REVOKE_SCOPE),
                         TRV_SCOPE_OWN);
        assert_int_equal(trv_policy_scope(role, TRV_OP_SET_EXPIRY),
                         TRV_SCOPE_NOTHING);
        assert_int_equal(trv_policy_scope(role, TRV_OP_LIST_REVOCATIONS),
                         TRV_SCOPE_OWN);
        assert_int_equal(trv_policy_scope(role, TRV_OP_LIST_TOKENS),
                         TRV_SCOPE_OWN);
        assert_int_equal(trv_policy_scope(role, TRV_OP_REGISTER),
                         TRV_SCOPE_NOTHING);
    }
}


static void
trv_policy_without_records_needs_the_text(void **state)
{
    trv_op_e    op;
    trv_role_e  role;

    (void) state;

    for (role = TRV_ROLE_MERCHANT; role <= TRV_ROLE_PARTNER; role++) {
        assert_int_equal(trv_policy_scope_bare(role, TRV_OP_REVOKE_TOKEN),
                         TRV_SCOPE_ALL);
        assert_int_equal(trv_policy_scope_bare(role, TRV_OP_REVOKE_ID),
                         TRV_SCOPE_NOTHING);
        assert_int_equal(trv_policy_scope_bare(role, TRV_OP_LIST_REVOCATIONS),
                         TRV_SCOPE_OWN);
    }

    assert_int_equal(trv_policy_scope_bare(TRV_ROLE_OPERATOR,
                                           TRV_OP_REVOKE_ID), TRV_SCOPE_ALL);

    for (role = TRV_ROLE_NONE; role <= TRV_ROLE_OPERATOR; role++) {
        assert_int_equal(trv_policy_scope_bare(role, TRV_OP_REVOKE_SCOPE),
                         TRV_SCOPE_NOTHING);
    }

    for (op = 0; op <= TRV_OP_WHOAMI; op++) {
        assert_int_equal(trv_policy_scope_bare(TRV_ROLE_NONE, op),
                         TRV_SCOPE_NOTHING);
    }
}


static void
trv_policy_knows_whose_tokens(void **state)
{
    trv_owner_t      owner;
    trv_principal_t  p;

    (void) state;

    assert_int_equal(trv_principal_parse("merchant yhst-1", 15, &p), TRV_OK);
    owner = trv_policy_owner(&p, TRV_OP_LIST_TOKENS);
    assert_int_equal(owner.partner.len, 0);
    assert_int_equal(owner.store.len, 6);
    assert_memory_equal(owner.store.data, "yhst-1", 6);

    assert_int_equal(trv_principal_parse("partner ypa-1", 13, &p), TRV_OK);
    owner = trv_policy_owner(&p, TRV_OP_LIST_TOKENS);
    assert_int_equal(owner.store.len, 0);
    assert_int_equal(owner.partner.len, 5);
    assert_memory_equal(owner.partner.data, "ypa-1", 5);

    assert_int_equal(trv_principal_parse("operator ann", 12, &p), TRV_OK);
    owner = trv_policy_owner(&p, TRV_OP_LIST_TOKENS);
    assert_int_equal(owner.partner.len + owner.store.len, 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(trv_principal_is_a_role_and_a_name),
        cmocka_unit_test(trv_policy_gives_nobody_nothing),
        cmocka_unit_test(trv_policy_lets_owners_revoke),
        cmocka_unit_test(trv_policy_without_records_needs_the_text),
        cmocka_unit_test(trv_policy_knows_whose_tokens),
    };

    return cmocka_run_group_tests_name("trv_policy", tests, NULL, NULL);
}

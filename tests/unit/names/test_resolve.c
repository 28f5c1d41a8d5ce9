/* SPDX-License-Identifier: MIT */
/*
 * test_resolve.c: what is asked, and what comes of it
 *
 * Numbers on each engine; names of a simulated world; and look-ups that take as long as the test
 * wants, by a table whose getaddrinfo waits at a gate. What a real name server does is in
 * test_dnsmasq.c.
 */
#include "names_test.h"

#include <netdb.h>
#include <pthread.h>

TESTS_USE_THREADS();

static struct weft_resolver_stats stats_now(void)
{
    struct weft_resolver_stats stats;
    weft_resolver_get_stats(NULL, &stats);
    return stats;
}

/* --- Numbers ---------------------------------------------------------------------------------- */

TASK_TEST(what_is_an_address_already_is_never_looked_up)
{
    static const struct {
        const char *host, *service, *expected;
    } rows[] = {
        {"127.0.0.1", "80", "127.0.0.1:80"},
        {"255.255.255.255", "65535", "255.255.255.255:65535"},
        {"::1", "80", "[::1]:80"},
        {"[::1]", "80", "[::1]:80"},
        {"2001:DB8::1", NULL, "[2001:db8::1]:0"},
        {"fe80::1%3", "80", "[fe80::1%3]:80"},
        {"[fe80::1%3]", "0", "[fe80::1%3]:0"},
        {"::ffff:1.2.3.4", "1", "[::ffff:1.2.3.4]:1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_STR(resolved(rows[i].host, rows[i].service, NULL), rows[i].expected);
    CHECK_EQ(stats_now().lookups, 0);
}

TASK_TEST(what_only_looks_like_an_address_is_a_name)
{
    static const char *const hosts[] = {
        "[::1", "::1]", "[127.0.0.1]", "[]", "[", "fe80::1%4x", "fe80::1%99999999999", "1.2.3.4.5",
    };
    struct weft_resolve_options options = {.flags = WEFT_RESOLVE_NUMERIC};
    char long_name[200];
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++)
        CHECK_STR(resolved(hosts[i], "80", &options), "WEFT_EDNS_NONAME");
    memset(long_name, '1', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    CHECK_STR(resolved(long_name, "80", &options), "WEFT_EDNS_NONAME");
    CHECK_STR(resolved(NULL, long_name, NULL), "WEFT_EDNS_SERVICE");
}

TASK_TEST(a_number_of_another_family_is_no_answer)
{
    struct weft_resolve_options six = {.family = AF_INET6}, four = {.family = AF_INET};
    CHECK_STR(resolved("127.0.0.1", "80", &six), "WEFT_EDNS_NODATA");
    CHECK_STR(resolved("::1", "80", &four), "WEFT_EDNS_NODATA");
    CHECK_STR(resolved("::1", "80", &six), "[::1]:80");
}

TASK_TEST(under_numeric_a_name_is_refused_without_asking)
{
    struct weft_resolve_options options = {.flags = WEFT_RESOLVE_NUMERIC};
    CHECK_STR(resolved("localhost", "80", &options), "WEFT_EDNS_NONAME");
    CHECK_STR(resolved("127.0.0.1", "80", &options), "127.0.0.1:80");
    CHECK_EQ(stats_now().lookups, 0);
}

TASK_TEST(the_scope_of_an_address_can_be_the_name_of_an_interface)
{
    struct weft_addresses *list = NULL;
    /* Every machine has it, as number 1. */
    CHECK_EQ(weft_resolve("fe80::1%lo", "80", NULL, &list), 0);
    CHECK_EQ(list->count, 1);
    CHECK_EQ(list->at[0].of.in6.sin6_scope_id, 1);
    CHECK_EQ(weft_address_port(&list->at[0]), 80);
    weft_addresses_free(list);
    CHECK_STR(resolved("fe80::1%nowhere9", "80", NULL), "WEFT_EDNS_NONAME");
}

TASK_TEST(a_service_can_have_a_name)
{
    if (access("/etc/services", R_OK) < 0)
        SKIP("there is no /etc/services");
    CHECK_STR(resolved("127.0.0.1", "https", NULL), "127.0.0.1:443");
    CHECK_STR(resolved("127.0.0.1", "no-such-service", NULL), "WEFT_EDNS_SERVICE");
    CHECK_STR(weft_note(), "look up service \"no-such-service\": no such service");
}

TASK_TEST(no_host_is_this_machine)
{
    struct weft_resolve_options listening = {.family = AF_INET, .flags = WEFT_RESOLVE_PASSIVE};
    struct weft_resolve_options four = {.family = AF_INET};
    CHECK_STR(resolved(NULL, "80", &listening), "0.0.0.0:80");
    CHECK_STR(resolved(NULL, "80", &four), "127.0.0.1:80");
}

TASK_TEST(what_makes_no_sense_is_refused_with_a_sentence)
{
    struct weft_resolve_options flags = {.flags = 0x10000}, family = {.family = AF_UNIX};
    char long_name[2000];
    memset(long_name, 'a', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    CHECK_STR(resolved("", "80", NULL), "EINVAL");
    CHECK_STR(weft_note(), "look up: the name is empty");
    CHECK_STR(resolved(long_name, "80", NULL), "EINVAL");
    CHECK_CONTAINS(weft_note(), "longer than any name");
    CHECK_STR(resolved(NULL, long_name, NULL), "EINVAL");
    CHECK_CONTAINS(weft_note(), "longer than any name");
    CHECK_STR(resolved("a", long_name, NULL), "EINVAL");
    CHECK_STR(resolved("127.0.0.1", "80", &flags), "EINVAL");
    CHECK_CONTAINS(weft_note(), "unknown flags 0x10000");
    CHECK_STR(resolved("127.0.0.1", "80", &family), "EAFNOSUPPORT");
}

TASK_TEST(a_cancelled_task_resolves_not_even_a_number)
{
    struct weft_address address = address_of("127.0.0.1:80");
    struct weft_scope scope;
    char host[100] = "";
    weft_scope_enter(&scope, WEFT_FOREVER);
    weft_scope_cancel(&scope, -EPROTO);
    CHECK_STR(resolved("127.0.0.1", "80", NULL), "ECANCELED");
    CHECK_ERR(weft_resolve_name(&address, 0, host, sizeof host, NULL, 0), -ECANCELED);
    CHECK_ERR(weft_scope_exit(&scope, 0), -EPROTO);
    CHECK_STR(host, "");
}

/* --- Names of a world ------------------------------------------------------------------------- */

WORLD_TEST(a_name_has_its_addresses_in_their_order)
{
    struct weft_resolve_options four = {.family = AF_INET};
    CHECK_EQ(weft_testing_name_add(NULL, "a.example", "2001:db8::1"), 0);
    CHECK_EQ(weft_testing_name_add(NULL, "a.example", "192.0.2.2"), 0);
    CHECK_EQ(weft_testing_name_add(NULL, "b.example", "192.0.2.3"), 0);
    CHECK_EQ(weft_testing_name_add(NULL, "a.example", "192.0.2.1"), 0);
    CHECK_STR(resolved("a.example", "80", NULL), "[2001:db8::1]:80 192.0.2.2:80 192.0.2.1:80");
    CHECK_STR(resolved("a.example", "80", &four), "192.0.2.2:80 192.0.2.1:80");
    CHECK_STR(resolved("b.example", NULL, NULL), "192.0.2.3:0");
    CHECK_STR(resolved("c.example", "80", NULL), "WEFT_EDNS_NONAME");
    CHECK_STR(resolved("localhost", "80", &four), "127.0.0.1:80");
    weft_testing_names_clear(NULL);
    CHECK_STR(resolved("a.example", "80", NULL), "WEFT_EDNS_NONAME");
}

WORLD_TEST(an_address_is_in_a_list_once)
{
    CHECK_EQ(weft_testing_name_add(NULL, "a.example", "192.0.2.1"), 0);
    CHECK_EQ(weft_testing_name_add(NULL, "a.example", "192.0.2.2"), 0);
    CHECK_EQ(weft_testing_name_add(NULL, "a.example", "192.0.2.1"), 0);
    CHECK_STR(resolved("a.example", "80", NULL), "192.0.2.1:80 192.0.2.2:80");
}

WORLD_TEST(the_canonical_name_comes_where_it_is_asked_for)
{
    struct weft_resolve_options options = {.flags = WEFT_RESOLVE_CANONICAL};
    struct weft_addresses *list;
    CHECK_EQ(weft_testing_name_add(NULL, "a.example", "192.0.2.1"), 0);
    CHECK_EQ(weft_resolve("a.example", "80", &options, &list), 0);
    CHECK_STR(list->canonical, "a.example");
    weft_addresses_free(list);
    CHECK_EQ(weft_resolve("a.example", "80", NULL, &list), 0);
    CHECK_STR(list->canonical, "");
    weft_addresses_free(list);
    CHECK_EQ(weft_resolve("127.0.0.1", "80", &options, &list), 0);
    CHECK_STR(list->canonical, "127.0.0.1");
    weft_addresses_free(list);
}

WORLD_TEST(each_failure_has_its_code)
{
    static const int codes[] = {-WEFT_EDNS_NONAME, -WEFT_EDNS_NODATA, -WEFT_EDNS_AGAIN,
                                -WEFT_EDNS_FAIL,   -EMFILE,           -ENOMEM};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        weft_testing_names_clear(NULL);
        CHECK_EQ(weft_testing_name_fail(NULL, "a.example", codes[i]), 0);
        CHECK_STR(resolved("a.example", "80", NULL), weft_strerrorname(codes[i]));
        CHECK_CONTAINS(weft_note(), "look up \"a.example\": ");
        CHECK_CONTAINS(weft_note(), weft_strerror(codes[i]));
    }
    CHECK_ERR(weft_testing_name_fail(NULL, "a.example", 0), -EINVAL);
    CHECK_ERR(weft_testing_name_fail(NULL, "a.example", -WEFT_EDNS_BUSY), -EINVAL);
    CHECK_ERR(weft_testing_name_add(NULL, "a.example", "not an address"), -EINVAL);
}

TEST(without_a_world_there_are_no_names_to_give)
{
    CHECK_ERR(weft_testing_name_add(&weft_sys_default, "a", "1.2.3.4"), -ENOTSUP);
    CHECK_ERR(weft_testing_name_fail(&weft_sys_default, "a", -EMFILE), -ENOTSUP);
    weft_testing_names_clear(&weft_sys_default);
}

/* --- Reverse ---------------------------------------------------------------------------------- */

WORLD_TEST(an_address_leads_back_to_its_name)
{
    struct weft_address four = address_of("192.0.2.1:80"), six = address_of("[2001:db8::1]:443");
    struct weft_address nobody = address_of("192.0.2.9:8080");
    char host[100] = "", service[20] = "";
    CHECK_EQ(weft_testing_name_add(NULL, "four.example", "192.0.2.1"), 0);
    CHECK_EQ(weft_testing_name_add(NULL, "six.example", "2001:db8::1"), 0);
    CHECK_EQ(weft_resolve_name(&four, 0, host, sizeof host, NULL, 0), 0);
    CHECK_STR(host, "four.example");
    CHECK_EQ(weft_resolve_name(&six, 0, host, sizeof host, NULL, 0), 0);
    CHECK_STR(host, "six.example");
    CHECK_EQ(weft_resolve_name(&nobody, 0, host, sizeof host, service, sizeof service), 0);
    CHECK_STR(host, "192.0.2.9");
    CHECK_STR(service, "8080");
    CHECK_ERR(weft_resolve_name(&nobody, WEFT_RESOLVE_REQUIRED, host, sizeof host, NULL, 0),
              -WEFT_EDNS_NONAME);
}

TASK_TEST(in_numbers_an_address_leads_nowhere_else)
{
    struct weft_address address = address_of("[::1]:80");
    char host[100] = "", service[20] = "";
    CHECK_EQ(weft_resolve_name(&address, WEFT_RESOLVE_NUMERIC, host, sizeof host, service,
                               sizeof service),
             0);
    CHECK_STR(host, "::1");
    CHECK_STR(service, "80");
}

TASK_TEST(a_name_that_has_no_room_is_not_cut)
{
    struct weft_address address = address_of("127.0.0.1:8080");
    char host[9] = "same", service[4] = "old";
    CHECK_ERR(weft_resolve_name(&address, WEFT_RESOLVE_NUMERIC, host, sizeof host, NULL, 0),
              -EOVERFLOW);
    CHECK_STR(host, "same");
    CHECK_ERR(weft_resolve_name(&address, WEFT_RESOLVE_NUMERIC, NULL, 0, service, sizeof service),
              -EOVERFLOW);
    CHECK_STR(service, "old");
}

TASK_TEST(what_has_no_name_by_nature_is_refused)
{
    struct weft_address path = address_of("unix:/path"), four = address_of("127.0.0.1:80");
    char host[100];
    CHECK_ERR(weft_resolve_name(&path, 0, host, sizeof host, NULL, 0), -EAFNOSUPPORT);
    CHECK_ERR(weft_resolve_name(&four, 0, NULL, 0, NULL, 0), -EINVAL);
    CHECK_ERR(weft_resolve_name(&four, 0x10000, host, sizeof host, NULL, 0), -EINVAL);
}

/* --- The cache -------------------------------------------------------------------------------- */

static void keep(weft_ns age, size_t size)
{
    struct weft_resolver_options options = {.cache_age = age, .cache_size = size};
    CHECK_EQ(weft_resolver_configure(NULL, &options), 0);
}

static void rename_to(const char *name, const char *address)
{
    weft_testing_names_clear(NULL);
    CHECK_EQ(weft_testing_name_add(NULL, name, address), 0);
}

WORLD_TEST(without_being_asked_nothing_is_kept)
{
    rename_to("a.example", "192.0.2.1");
    CHECK_STR(resolved("a.example", "80", NULL), "192.0.2.1:80");
    rename_to("a.example", "192.0.2.2");
    CHECK_STR(resolved("a.example", "80", NULL), "192.0.2.2:80");
    CHECK_EQ(stats_now().cached, 0);
    CHECK_EQ(stats_now().lookups, 2);
}

WORLD_TEST(an_answer_is_kept_for_its_age_and_not_longer)
{
    keep(10 * WEFT_SEC, 0);
    rename_to("a.example", "192.0.2.1");
    CHECK_STR(resolved("a.example", "80", NULL), "192.0.2.1:80");
    rename_to("a.example", "192.0.2.2");
    CHECK_EQ(weft_sleep(10 * WEFT_SEC - 1), 0);
    CHECK_STR(resolved("a.example", "80", NULL), "192.0.2.1:80");
    CHECK_EQ(stats_now().cached, 1);
    CHECK_EQ(stats_now().kept_now, 1);
    CHECK_EQ(weft_sleep(1), 0);
    CHECK_STR(resolved("a.example", "80", NULL), "192.0.2.2:80");
    CHECK_EQ(stats_now().lookups, 2);
}

WORLD_TEST(a_failure_is_never_kept)
{
    keep(WEFT_HOUR, 0);
    CHECK_EQ(weft_testing_name_fail(NULL, "a.example", -WEFT_EDNS_NONAME), 0);
    CHECK_STR(resolved("a.example", "80", NULL), "WEFT_EDNS_NONAME");
    CHECK_EQ(stats_now().kept_now, 0);
    rename_to("a.example", "192.0.2.1");
    CHECK_STR(resolved("a.example", "80", NULL), "192.0.2.1:80");
}

WORLD_TEST(an_answer_is_to_its_own_question_only)
{
    struct weft_resolve_options four = {.family = AF_INET};
    keep(WEFT_HOUR, 0);
    rename_to("a.example", "192.0.2.1");
    CHECK_EQ(weft_testing_name_add(NULL, "a.example", "2001:db8::1"), 0);
    CHECK_STR(resolved("a.example", "80", NULL), "192.0.2.1:80 [2001:db8::1]:80");
    CHECK_STR(resolved("a.example", "80", &four), "192.0.2.1:80");
    CHECK_STR(resolved("a.example", "81", &four), "192.0.2.1:81");
    CHECK_STR(resolved("a.example", NULL, &four), "192.0.2.1:0");
    CHECK_EQ(stats_now().lookups, 4);
    CHECK_STR(resolved("a.example", NULL, &four), "192.0.2.1:0");
    CHECK_EQ(stats_now().lookups, 4);
}

WORLD_TEST(a_question_is_all_that_was_asked)
{
    const struct weft_resolve_options asked[] = {
        {.family = AF_UNSPEC},
        {.family = AF_INET},
        {.type = SOCK_DGRAM},
        {.flags = WEFT_RESOLVE_CANONICAL},
    };
    keep(WEFT_HOUR, 0);
    CHECK_EQ(weft_testing_name_add(NULL, "a.example", "192.0.2.1"), 0);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof asked / sizeof *asked; i++)
            CHECK_STR(resolved("a.example", "80", &asked[i]), "192.0.2.1:80");
        CHECK_STR(resolved("a.example", "81", NULL), "192.0.2.1:81");
        CHECK_STR(resolved("a.example", NULL, NULL), "192.0.2.1:0");
        CHECK_EQ(stats_now().lookups, 6);
        CHECK_EQ(stats_now().cached, 6 * (uint64_t)round);
    }
}

WORLD_TEST(the_oldest_answer_makes_room)
{
    char name[20];
    keep(WEFT_HOUR, 3);
    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof name, "%d.example", i);
        CHECK_EQ(weft_testing_name_add(NULL, name, "192.0.2.1"), 0);
        CHECK_STR(resolved(name, "80", NULL), "192.0.2.1:80");
    }
    CHECK_EQ(stats_now().kept_now, 3);
    weft_testing_names_clear(NULL);
    CHECK_STR(resolved("1.example", "80", NULL), "WEFT_EDNS_NONAME");
    CHECK_STR(resolved("2.example", "80", NULL), "192.0.2.1:80");
    CHECK_STR(resolved("4.example", "80", NULL), "192.0.2.1:80");
}

WORLD_TEST(a_fresh_answer_takes_the_place_of_the_one_that_was_kept)
{
    struct weft_resolve_options fresh = {.flags = WEFT_RESOLVE_FRESH};
    keep(WEFT_HOUR, 0);
    rename_to("a.example", "192.0.2.1");
    CHECK_STR(resolved("a.example", "80", NULL), "192.0.2.1:80");
    rename_to("a.example", "192.0.2.2");
    CHECK_STR(resolved("a.example", "80", &fresh), "192.0.2.2:80");
    CHECK_STR(resolved("a.example", "80", NULL), "192.0.2.2:80");
    CHECK_EQ(stats_now().kept_now, 1);
}

WORLD_TEST(what_is_kept_can_be_forgotten)
{
    keep(WEFT_HOUR, 0);
    rename_to("a.example", "192.0.2.1");
    CHECK_STR(resolved("a.example", "80", NULL), "192.0.2.1:80");
    weft_resolver_forget(NULL);
    CHECK_EQ(stats_now().kept_now, 0);
    rename_to("a.example", "192.0.2.2");
    CHECK_STR(resolved("a.example", "80", NULL), "192.0.2.2:80");
    keep(0, 0);
    rename_to("a.example", "192.0.2.3");
    CHECK_STR(resolved("a.example", "80", NULL), "192.0.2.3:80");
}

WORLD_TEST(limits_are_set_before_the_first_look_up)
{
    struct weft_resolver_options options = {.threads = 3};
    struct weft_resolver_options bad[] = {{.cache_age = -1}, {.threads = 5000}};
    CHECK_ERR(weft_resolver_configure(NULL, &bad[0]), -EINVAL);
    CHECK_ERR(weft_resolver_configure(NULL, &bad[1]), -EINVAL);
    CHECK_EQ(weft_resolver_configure(NULL, &options), 0);
    CHECK_STR(resolved("a.example", "80", NULL), "WEFT_EDNS_NONAME");
    CHECK_ERR(weft_resolver_configure(NULL, NULL), -EBUSY);
    options.cache_age = WEFT_SEC;
    CHECK_EQ(weft_resolver_configure(NULL, &options), 0);
}

WORLD_TEST(too_many_threads_beside_abandoned_ones_are_refused)
{
    struct weft_resolver_options options = {.threads = 1000, .abandoned = 100};
    CHECK_ERR(weft_resolver_configure(NULL, &options), -EINVAL);
    options = (struct weft_resolver_options){.threads = 1000, .abandoned = 24};
    CHECK_EQ(weft_resolver_configure(weft_loop_current(), &options), 0);
    CHECK_STR(resolved("a.example", "80", NULL), "WEFT_EDNS_NONAME");
    options.waiting = 7;
    CHECK_ERR(weft_resolver_configure(NULL, &options), -EBUSY);
    options = (struct weft_resolver_options){.threads = 1000, .abandoned = 23};
    CHECK_ERR(weft_resolver_configure(NULL, &options), -EBUSY);
}

WORLD_TEST(an_age_without_end_keeps_an_answer)
{
    struct weft_resolver_options options = {.cache_age = WEFT_FOREVER};
    CHECK_EQ(weft_resolver_configure(NULL, &options), 0);
    CHECK_EQ(weft_testing_name_add(NULL, "a.example", "192.0.2.1"), 0);
    CHECK_STR(resolved("a.example", "80", NULL), "192.0.2.1:80");
    CHECK_EQ(weft_sleep(1000 * WEFT_HOUR), 0);
    CHECK_STR(resolved("a.example", "80", NULL), "192.0.2.1:80");
    CHECK_EQ(stats_now().cached, 1);
}

TEST(without_a_loop_there_is_no_resolver)
{
    struct weft_resolver_stats stats = {.lookups = 7};
    CHECK_ERR(weft_resolver_configure(NULL, NULL), -EPERM);
    weft_resolver_forget(NULL);
    weft_resolver_get_stats(NULL, &stats);
    CHECK_EQ(stats.lookups, 0);
}

TASK_TEST(nothing_is_forgotten_where_nothing_was_kept)
{
    weft_resolver_forget(NULL);
    CHECK_EQ(weft_resolver_configure(NULL, NULL), 0);
    weft_resolver_forget(NULL);
    CHECK_EQ(stats_now().kept_now, 0);
}

WORLD_TEST(without_memory_nothing_is_looked_up)
{
    struct weft_address address = address_of("192.0.2.1:80");
    struct weft_addresses *list = NULL;
    char host[100] = "";
    CHECK_EQ(weft_testing_name_add(NULL, "a.example", "192.0.2.1"), 0);
    CHECK_EQ(weft_resolver_configure(NULL, NULL), 0);
    test_out_of_memory(true);
    int forward = weft_resolve("a.example", "80", NULL, &list);
    int reverse = weft_resolve_name(&address, 0, host, sizeof host, NULL, 0);
    test_out_of_memory(false);
    CHECK_ERR(forward, -ENOMEM);
    CHECK_ERR(reverse, -ENOMEM);
    CHECK(list == NULL);
    CHECK_STR(host, "");
    CHECK_STR(resolved("a.example", "80", NULL), "192.0.2.1:80");
}

/** What libc's look-up answers here, with its sign changed. */
static int libc_code;

static int failing_getaddrinfo(const struct weft_sys *sys, const char *host, const char *service,
                               const struct addrinfo *hints, struct addrinfo **ret)
{
    (void)sys, (void)host, (void)service, (void)hints, (void)ret;
    return -libc_code;
}

static int check_libc_codes(void *arg)
{
    static const struct {
        int libc, ours;
    } rows[] = {
        {EAI_NONAME, -WEFT_EDNS_NONAME},   {EAI_AGAIN, -WEFT_EDNS_AGAIN},
        {EAI_SERVICE, -WEFT_EDNS_SERVICE}, {EAI_FAIL, -WEFT_EDNS_FAIL},
        {EAI_FAMILY, -EAFNOSUPPORT},       {EAI_MEMORY, -ENOMEM},
        {EAI_OVERFLOW, -EOVERFLOW},        {EAI_BADFLAGS, -EINVAL},
        {EAI_SOCKTYPE, -EINVAL},
    };
    (void)arg;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        libc_code = rows[i].libc;
        CHECK_STR(resolved("a.example", "x", NULL), weft_strerrorname(rows[i].ours));
    }
    /* Without a host it is about the service, and there may be none. */
    libc_code = EAI_NONAME;
    CHECK_STR(resolved(NULL, "x", NULL), "WEFT_EDNS_NONAME");
    CHECK_CONTAINS(weft_note(), "look up service \"x\": ");
    CHECK_STR(resolved(NULL, NULL, NULL), "WEFT_EDNS_NONAME");
    CHECK_CONTAINS(weft_note(), "look up service \"\": ");
    return 0;
}

TEST_EACH_ENGINE(each_code_of_libc_has_one_of_ours)
{
    struct weft_sys sys = weft_sys_default;
    struct weft_loop_options options = {
        .size = sizeof options, .sys = &sys, .backend = test_engine()};
    struct weft_loop *loop;
    if (test_engine_is("sim"))
        SKIP("a simulated world has names of its own");
    test_needs_another_thread();
    sys.getaddrinfo = failing_getaddrinfo;
    CHECK_OK(weft_loop_create(&options, &loop));
    CHECK_EQ(weft_loop_run_task(loop, check_libc_codes, NULL), 0);
    CHECK_EQ(weft_loop_free(loop), 0);
}

/* --- Look-ups that take their time ------------------------------------------------------------ */

/** Where look-ups of the table below wait. */
static struct {
    /** Guards the others. */
    pthread_mutex_t lock;
    /** Told of each change. */
    pthread_cond_t changed;
    /** How many look-ups have come. */
    unsigned came;
    /** How many may pass. */
    unsigned open;
    /** How many have passed. */
    unsigned passed;
} gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, 0};

static void gate_pass(void)
{
    pthread_mutex_lock(&gate.lock);
    gate.came++;
    pthread_cond_broadcast(&gate.changed);
    while (gate.passed >= gate.open)
        pthread_cond_wait(&gate.changed, &gate.lock);
    gate.passed++;
    pthread_mutex_unlock(&gate.lock);
}

static int slow_getaddrinfo(const struct weft_sys *sys, const char *host, const char *service,
                            const struct addrinfo *hints, struct addrinfo **ret)
{
    (void)sys, (void)host;
    gate_pass();
    return weft_sys_default.getaddrinfo(&weft_sys_default, "192.0.2.1", service, hints, ret);
}

static int slow_getnameinfo(const struct weft_sys *sys, const struct sockaddr *address,
                            socklen_t len, char *host, size_t host_size, char *service,
                            size_t service_size, int flags)
{
    (void)sys;
    gate_pass();
    return weft_sys_default.getnameinfo(&weft_sys_default, address, len, host, host_size, service,
                                        service_size, flags | NI_NUMERICHOST);
}

static void gate_open(unsigned more)
{
    pthread_mutex_lock(&gate.lock);
    gate.open += more;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
}

/** How many look-ups have come to the gate. */
static unsigned gate_came(void)
{
    pthread_mutex_lock(&gate.lock);
    unsigned came = gate.came;
    pthread_mutex_unlock(&gate.lock);
    return came;
}

static void wait_for_gate(unsigned count)
{
    while (gate_came() < count)
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
}

/** A test over that table, on each engine that has threads. */
#define GATE_TEST(name)                                                                            \
    static void name##_body(void);                                                                 \
    static int name##_program(void *arg)                                                           \
    {                                                                                              \
        (void)arg;                                                                                 \
        name##_body();                                                                             \
        gate_open(1000);                                                                           \
        while (stats_now().abandoned_now > 0)                                                      \
            CHECK_EQ(weft_sleep(WEFT_MS), 0);                                                      \
        return 0;                                                                                  \
    }                                                                                              \
    TEST_EACH_ENGINE(name)                                                                         \
    {                                                                                              \
        run_at_gate(name##_program);                                                               \
    }                                                                                              \
    static void name##_body(void)

static void run_at_gate(int (*program)(void *arg))
{
    struct weft_sys sys = weft_sys_default;
    struct weft_loop_options options = {
        .size = sizeof options, .sys = &sys, .backend = test_engine()};
    struct weft_loop *loop;
    if (test_engine_is("sim"))
        SKIP("a simulated world starts no thread");
    test_needs_another_thread();
    sys.getaddrinfo = slow_getaddrinfo;
    sys.getnameinfo = slow_getnameinfo;
    CHECK_OK(weft_loop_create(&options, &loop));
    CHECK_EQ(weft_loop_run_task(loop, program, NULL), 0);
    CHECK_EQ(weft_loop_free(loop), 0);
}

/** Looks a name up, and keeps what came of it. */
static int look_up(void *arg)
{
    int *ret = arg;
    struct weft_addresses *list = NULL;
    *ret = weft_resolve("slow.example", "80", NULL, &list);
    weft_addresses_free(list);
    return 0;
}

GATE_TEST(a_look_up_lets_other_tasks_run)
{
    struct weft_scope scope;
    int rc = 1;
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_EQ(weft_go_fn(&scope, look_up, &rc), 0);
    wait_for_gate(1);
    CHECK_EQ(rc, 1);
    CHECK_EQ(stats_now().waiting_now, 1);
    gate_open(1);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(rc, 0);
    CHECK_EQ(stats_now().lookups, 1);
    CHECK_EQ(stats_now().waiting_now, 0);
}

GATE_TEST(a_deadline_lets_the_waiter_go_at_once)
{
    struct weft_addresses *list = NULL;
    int rc = (int)weft_within(5 * WEFT_MS, weft_resolve("slow.example", "80", NULL, &list));
    CHECK_ERR(rc, -ETIMEDOUT);
    CHECK(list == NULL);
    /* It may have been cut before a thread took it: then there is nothing to abandon. */
    CHECK_EQ(stats_now().abandoned_now, stats_now().abandoned);
    CHECK_EQ(stats_now().abandoned, stats_now().lookups);
}

GATE_TEST(a_reverse_look_up_can_be_left_too)
{
    struct weft_address address = address_of("192.0.2.1:80");
    struct weft_scope scope;
    char host[100] = "untouched";
    weft_scope_enter(&scope, WEFT_FOREVER);
    int rc = (int)weft_within(5 * WEFT_MS, weft_resolve_name(&address, 0, host, 100, NULL, 0));
    CHECK_ERR(rc, -ETIMEDOUT);
    CHECK_STR(host, "untouched");
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}

GATE_TEST(no_more_look_ups_run_than_there_are_threads_and_the_others_wait_in_line)
{
    struct weft_resolver_options limits = {.threads = 2, .waiting = 2};
    struct weft_scope scope;
    int rc[5] = {1, 1, 1, 1, 1};
    CHECK_EQ(weft_resolver_configure(NULL, &limits), 0);
    weft_scope_enter(&scope, WEFT_FOREVER);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(weft_go_fn(&scope, look_up, &rc[i]), 0);
    wait_for_gate(2);
    for (int i = 2; i < 5; i++)
        CHECK_EQ(weft_go_fn(&scope, look_up, &rc[i]), 0);
    settle();
    CHECK_EQ(gate_came(), 2);
    CHECK_EQ(rc[2], 1);
    CHECK_ERR(rc[4], -WEFT_EDNS_BUSY);
    gate_open(4);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(rc[i], 0);
}

GATE_TEST(one_in_line_is_withdrawn_and_never_asked)
{
    struct weft_resolver_options limits = {.threads = 1};
    struct weft_addresses *list = NULL;
    struct weft_scope scope;
    int rc = 1;
    CHECK_EQ(weft_resolver_configure(NULL, &limits), 0);
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_EQ(weft_go_fn(&scope, look_up, &rc), 0);
    wait_for_gate(1);
    CHECK_ERR(weft_within(WEFT_MS, weft_resolve("other.example", "80", NULL, &list)), -ETIMEDOUT);
    gate_open(1);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_EQ(rc, 0);
    CHECK_EQ(gate_came(), 1);
    CHECK_EQ(stats_now().lookups, 1);
    CHECK_EQ(stats_now().abandoned, 0);
}

/** Begins a look-up and leaves it when it has come to the gate as the `count`-th. */
static void abandon_one(unsigned count)
{
    struct weft_scope scope;
    int rc = 1;
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_EQ(weft_go_fn(&scope, look_up, &rc), 0);
    wait_for_gate(count);
    weft_scope_cancel(&scope, 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
    CHECK_ERR(rc, -ECANCELED);
}

GATE_TEST(abandoned_look_ups_are_counted_and_bounded)
{
    struct weft_resolver_options limits = {.threads = 1, .abandoned = 3};
    CHECK_EQ(weft_resolver_configure(NULL, &limits), 0);
    for (unsigned i = 1; i <= 3; i++) {
        abandon_one(i);
        CHECK_EQ(stats_now().abandoned_now, i);
    }
    CHECK_STR(resolved("slow.example", "80", NULL), "WEFT_EDNS_BUSY");
    CHECK_STR(weft_note(), "look up \"slow.example\": too many look-ups are under way");
    CHECK_EQ(gate_came(), 3);
    /* Once some have ended there is room again. */
    gate_open(4);
    while (stats_now().abandoned_now > 0)
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
    CHECK_STR(resolved("slow.example", "80", NULL), "192.0.2.1:80");
    CHECK_EQ(stats_now().abandoned, 3);
    CHECK_EQ(stats_now().lookups, 4);
}

static int abandon_and_end(void *arg)
{
    (void)arg;
    abandon_one(1);
    return 0;
}

/** What is left behind is said on stderr, and ends by itself. */
static void leave_one_behind(void)
{
    run_at_gate(abandon_and_end);
}

TEST_EACH_ENGINE(a_loop_is_freed_without_waiting_for_what_was_abandoned)
{
    if (test_engine_is("sim"))
        SKIP("a simulated world starts no thread");
    test_fork_expect_signal(leave_one_behind, 0, "slow.example");
}

/* --- Failures of the system ------------------------------------------------------------------- */

static int sweep_program(void *arg)
{
    struct weft_resolver_options options = {.cache_age = WEFT_SEC};
    struct weft_addresses *list;
    int rc = weft_resolver_configure(NULL, &options);
    (void)arg;
    for (int i = 0; i < 2 && rc == 0; i++) {
        rc = weft_testing_name_add(NULL, "a.example", "192.0.2.1");
        if (rc == 0)
            rc = weft_resolve("a.example", "80", NULL, &list);
        if (rc == 0)
            weft_addresses_free(list);
    }
    if (rc == 0)
        rc = weft_tcp_connect_host("a.example", "80", NULL);
    return rc == -ECONNREFUSED ? 0 : rc;
}

static int sweep_scenario(const struct weft_sys *sys, void *arg)
{
    weft_testing_names_clear(sys);
    return weft_testing_run_on(sys, 0, sweep_program, arg);
}

static int is_documented(int rc, int code)
{
    /* A stack that cannot be mapped is -ENOMEM, whatever mmap said. */
    return rc == 0 || rc == -code || rc == -ENOMEM;
}

TEST(each_call_that_fails_is_a_documented_error)
{
    struct weft_testing_sweep_options options = {.name = "names", .documented = is_documented};
    struct weft_testing_sweep_result result;
    CHECK_EQ(weft_testing_sweep(&options, sweep_scenario, NULL, &result), 0);
    CHECK(result.points > 20);
}

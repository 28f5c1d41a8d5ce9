/* SPDX-License-Identifier: MIT */
/*
 * test_dnsmasq.c: names of a real name server
 *
 * Everything that libc does on the way to an answer is real here: the files of /etc, datagrams, TCP
 * where they are too small, time-outs. The machine is one of the test's own, see dns_world.h. A
 * simulated world asks no name server, so these tests know the real engines only.
 */
#include "dns_world.h"

TESTS_USE_THREADS();

/* What musl says, which is less, and its resolver has no TCP before version 1.2.4. */
#ifdef __GLIBC__
#define WITHOUT_TCP ((void)0)
#define NODATA "WEFT_EDNS_NODATA"
#define SILENT -WEFT_EDNS_AGAIN
#else
#define WITHOUT_TCP SKIP("this libc may know no TCP")
#define NODATA "WEFT_EDNS_NONAME"
#define SILENT -WEFT_EDNS_NONAME
#endif

/** A test that runs as a task beside a dnsmasq, on each real engine. */
#define DNS_TEST(name) DNS_TEST_OF(PATIENT, (void)0, name)

/** The same, where libc soon gives up on a server that does not answer. */
#define IMPATIENT_TEST(name) DNS_TEST_OF(IMPATIENT, (void)0, name)

#define DNS_TEST_OF(seconds, before, name)                                                         \
    static void name##_body(void);                                                                 \
    static int name##_program(void *arg)                                                           \
    {                                                                                              \
        (void)arg;                                                                                 \
        name##_body();                                                                             \
        let_abandoned_end();                                                                       \
        return 0;                                                                                  \
    }                                                                                              \
    TEST_EACH_ENGINE(name)                                                                         \
    {                                                                                              \
        if (test_engine_is("sim"))                                                                 \
            SKIP("a simulated world asks no name server");                                         \
        before;                                                                                    \
        dns_open(seconds);                                                                         \
        CHECK_EQ(run_program(name##_program), 0);                                                  \
        dns_close();                                                                               \
    }                                                                                              \
    static void name##_body(void)

/** What libc has open for a look-up must be closed when descriptors are counted. */
static void let_abandoned_end(void)
{
    struct weft_resolver_stats stats;
    let_slow_answer();
    do {
        CHECK_EQ(weft_sleep(10 * WEFT_MS), 0);
        weft_resolver_get_stats(NULL, &stats);
    } while (stats.abandoned_now > 0);
}

static const struct weft_resolve_options four_only = {.size = sizeof four_only, .family = AF_INET};
static const struct weft_resolve_options six_only = {.size = sizeof six_only, .family = AF_INET6};

DNS_TEST(a_name_has_addresses_of_both_families)
{
    CHECK_STR(resolved("both.test", "80", &four_only), "127.0.0.1:80");
    CHECK_STR(resolved("both.test", "80", &six_only), "[::1]:80");
    const char *both = resolved("both.test", "80", NULL);
    CHECK_CONTAINS(both, "127.0.0.1:80");
    CHECK_CONTAINS(both, "[::1]:80");
}

DNS_TEST(a_name_that_is_not_there_is_an_error_of_its_own)
{
    CHECK_STR(resolved("nowhere.test", "80", NULL), "WEFT_EDNS_NONAME");
    CHECK_STR(weft_note(), "look up \"nowhere.test\": no such name");
}

DNS_TEST(a_name_without_an_address_of_the_family_is_there_all_the_same)
{
    CHECK_STR(resolved("four.test", NULL, NULL), "192.0.2.1:0");
    CHECK_STR(resolved("four.test", NULL, &six_only), NODATA);
    CHECK_STR(resolved("six.test", NULL, &four_only), NODATA);
}

DNS_TEST(an_alias_leads_to_the_name_behind_it)
{
    struct weft_resolve_options options = {.family = AF_INET, .flags = WEFT_RESOLVE_CANONICAL};
    struct weft_addresses *list = NULL;
    CHECK_EQ(weft_resolve("alias.test", "80", &options, &list), 0);
    CHECK_STR(list->canonical, "both.test");
    CHECK_EQ(list->count, 1);
    weft_addresses_free(list);
}

DNS_TEST_OF(PATIENT, WITHOUT_TCP, an_answer_that_is_cut_is_asked_for_again_over_tcp)
{
    struct weft_addresses *list = NULL;
    bool seen[61] = {false};
    CHECK_EQ(weft_resolve("many.test", "80", &four_only, &list), 0);
    CHECK_EQ(list->count, 60);
    for (size_t i = 0; i < list->count; i++)
        seen[ntohl(list->at[i].of.in.sin_addr.s_addr) & 0xff] = true;
    for (int i = 1; i <= 60; i++)
        CHECK(seen[i]);
    weft_addresses_free(list);
}

DNS_TEST(a_short_name_is_looked_for_in_the_search_list)
{
    CHECK_STR(resolved("printer", "9100", &four_only), "192.0.2.2:9100");
}

DNS_TEST(etc_hosts_comes_before_the_name_server)
{
    CHECK_STR(resolved("hosts.test", "1", &four_only), "10.1.1.1:1");
}

DNS_TEST(nsswitch_says_who_is_asked_first)
{
#ifdef __GLIBC__
    bool there = access("/etc/nsswitch.conf", F_OK) == 0;
    (void)write_own("/etc/nsswitch.conf", "hosts: dns files\n");
    CHECK_STR(resolved("hosts.test", "1", &four_only), there ? "192.0.2.3:1" : "10.1.1.1:1");
#endif
}

DNS_TEST(an_address_has_a_name)
{
    struct weft_address address = address_of("192.0.2.1:80"), nobody = address_of("192.0.2.99:80");
    char host[100] = "", service[20] = "";
    CHECK_EQ(weft_resolve_name(&address, 0, host, sizeof host, NULL, 0), 0);
    CHECK_STR(host, "four.test");
    CHECK_EQ(weft_resolve_name(&nobody, 0, host, sizeof host, service, sizeof service), 0);
    CHECK_STR(host, "192.0.2.99");
    strcpy(host, "untouched");
    CHECK_ERR(weft_resolve_name(&nobody, WEFT_RESOLVE_REQUIRED, host, sizeof host, NULL, 0),
              -WEFT_EDNS_NONAME);
    CHECK_STR(host, "untouched");
    CHECK_STR(weft_note(), "look up \"192.0.2.99:80\": no such name");
}

IMPATIENT_TEST(an_address_whose_server_is_silent_has_its_number)
{
    struct weft_address address = address_of("10.7.7.7:80");
    char host[100] = "";
    CHECK_EQ(weft_resolve_name(&address, 0, host, sizeof host, NULL, 0), 0);
    CHECK_STR(host, "10.7.7.7");
    CHECK_ERR(weft_resolve_name(&address, WEFT_RESOLVE_REQUIRED, host, sizeof host, NULL, 0),
              SILENT);
}

/** When the slow server was told to answer; 0: not yet. */
static weft_ns told;

static int tell_slow(void *arg)
{
    (void)arg;
    int rc = weft_sleep(100 * WEFT_MS);
    told = weft_clock();
    let_slow_answer();
    return rc;
}

DNS_TEST(a_slow_answer_is_waited_for)
{
    struct weft_scope scope;
    weft_scope_enter(&scope, WEFT_FOREVER);
    CHECK_EQ(weft_go_fn(&scope, tell_slow, NULL), 0);
    CHECK_STR(resolved("x.slow.test", "80", &four_only), "192.0.2.7:80");
    CHECK(told > 0);
    CHECK_EQ(weft_scope_exit(&scope, 0), 0);
}

DNS_TEST(a_slow_look_up_can_be_left_and_does_not_hold_up_others)
{
    static const char *const names[] = {"a.slow.test", "b.slow.test"};
    struct weft_resolver_stats stats;
    for (int i = 0; i < 2; i++) {
        struct weft_addresses *list = NULL;
        int rc = (int)weft_within(50 * WEFT_MS, weft_resolve(names[i], "80", &four_only, &list));
        CHECK_ERR(rc, -ETIMEDOUT);
        CHECK(list == NULL);
    }
    CHECK_STR(resolved("four.test", "80", &four_only), "192.0.2.1:80");
    /* A thread that was late to begin would have been spared them. */
    weft_resolver_get_stats(NULL, &stats);
    CHECK_EQ(stats.abandoned_now, stats.abandoned);
    CHECK_EQ(stats.lookups, stats.abandoned + 1);
}

IMPATIENT_TEST(a_silent_server_is_given_up_by_libc)
{
    /* With a final dot: else libc takes the word of the search list's server, that the name is not
     * there either, for that of the silent one. */
    CHECK_STR(resolved("y.dead.test.", "80", &four_only), "WEFT_EDNS_AGAIN");
    CHECK_STR(weft_note(), "look up \"y.dead.test.\": no name server gave an answer");
}

IMPATIENT_TEST(when_the_server_is_gone_that_is_said)
{
    CHECK_EQ(kill(dns.dnsmasq, SIGSTOP), 0);
    CHECK_STR(resolved("four.test", "80", &four_only), "WEFT_EDNS_AGAIN");
    CHECK_EQ(kill(dns.dnsmasq, SIGCONT), 0);
    /* A failure is remembered by nobody; on a busy machine libc may lose patience once more. */
    const char *answer;
    do
        answer = resolved("four.test", "80", &four_only);
    while (strcmp(answer, "WEFT_EDNS_AGAIN") == 0);
    CHECK_STR(answer, "192.0.2.1:80");
}

/* --- Connecting ------------------------------------------------------------------------------- */

DNS_TEST(a_family_that_leads_nowhere_is_passed_over)
{
    struct weft_attempt attempts[2];
    struct weft_connect_options options = {.attempts = attempts, .attempts_size = 2};
    int listener = listen_at("127.0.0.1:8080");
    int fd = weft_tcp_connect_host("mixed.test", "8080", NULL);
    CHECK_OK(fd);
    CHECK_EQ(weft_close(fd), 0);
    CHECK_ERR(weft_tcp_connect_host("six.test", "8080", &options), -ENETUNREACH);
    CHECK_CONTAINS(weft_note(), "[2001:db8::6]:8080: Network is unreachable");
    CHECK_ERR(attempts[0].code, -ENETUNREACH);
    CHECK_EQ(weft_close(listener), 0);
}

DNS_TEST(a_family_that_never_answers_costs_a_step)
{
    struct weft_attempt attempts[2];
    struct weft_connect_options options = {.attempts = attempts, .attempts_size = 2};
    struct hole hole;
    struct weft_address peer;
    hole_open(&hole, "[::1]:8080");
    int listener = listen_at("127.0.0.1:8080");
    weft_ns began = weft_clock();
    int fd = weft_tcp_connect_host("both.test", "8080", &options);
    CHECK_OK(fd);
    CHECK_EQ(weft_peer_address(fd, &peer), 0);
    CHECK_EQ(peer.of.any.sa_family, AF_INET);
    if (attempts[0].address.of.any.sa_family == AF_INET6) {
        CHECK(weft_clock() - began >= 250 * WEFT_MS);
        CHECK_ERR(attempts[0].code, -ECANCELED);
    }
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_close(listener), 0);
    hole_close(&hole);
}

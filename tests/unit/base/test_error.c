/* SPDX-License-Identifier: MIT */
/*
 * test_error.c: every code has a name and a sentence, on every C library the same
 *
 * The names and texts of codes are our own, so that what a program prints does not depend on the C
 * library's locale or version; codes that nobody knows are answered, too.
 */
#include "test.h"

#include <limits.h>
#include <string.h>
#include <weft/error.h>

TEST(a_code_has_its_name_and_text_with_either_sign)
{
    CHECK_STR(weft_strerrorname(-ECONNRESET), "ECONNRESET");
    CHECK_STR(weft_strerrorname(ECONNRESET), "ECONNRESET");
    CHECK_STR(weft_strerror(-ECONNRESET), "Connection reset by peer");
    CHECK_STR(weft_strerror(ECONNRESET), "Connection reset by peer");
}

TEST(zero_is_success)
{
    CHECK_STR(weft_strerrorname(0), "0");
    CHECK_STR(weft_strerror(0), "Success");
}

TEST(wefts_own_codes_are_known)
{
    CHECK_STR(weft_strerrorname(-WEFT_ECLOSED), "WEFT_ECLOSED");
    CHECK_STR(weft_strerrorname(-WEFT_EDONE), "WEFT_EDONE");
    CHECK_STR(weft_strerrorname(-WEFT_EDEADLOCK), "WEFT_EDEADLOCK");
    CHECK_STR(weft_strerrorname(-WEFT_EBROKEN), "WEFT_EBROKEN");
    CHECK_STR(weft_strerrorname(-WEFT_EINCOMPLETE), "WEFT_EINCOMPLETE");
    CHECK_STR(weft_strerror(-WEFT_EDONE), "end of iteration");
    for (int code = WEFT_ECLOSED; code <= WEFT_EINCOMPLETE; code++)
        CHECK(strncmp(weft_strerror(code), "unknown", 7) != 0);
}

TEST(codes_of_names_are_a_domain_of_their_own)
{
    CHECK_STR(weft_strerrorname(-WEFT_EDNS_NONAME), "WEFT_EDNS_NONAME");
    CHECK_STR(weft_strerror(-WEFT_EDNS_NONAME), "no such name");
    for (int code = WEFT_EDNS_NONAME; code <= WEFT_EDNS_BUSY; code++) {
        CHECK(strncmp(weft_strerrorname(code), "WEFT_EDNS_", 10) == 0);
        CHECK(strncmp(weft_strerror(-code), "unknown", 7) != 0);
    }
    CHECK_STR(weft_strerrorname(WEFT_EDNS_BASE), "E?");
    CHECK_STR(weft_strerrorname(WEFT_EDNS_BUSY + 1), "E?");
}

TEST(every_code_that_libc_knows_is_known_and_no_two_share_a_name)
{
    const char *seen[200];
    int count = 0;
    for (int code = 1; code < 200; code++) {
        const char *name = weft_strerrorname(code);
        if (strncmp(strerror(code), "Unknown", 7) == 0 ||
            strncmp(strerror(code), "No error", 8) == 0)
            continue;
        CHECK(strcmp(name, "E?") != 0);
        CHECK(name[0] == 'E' && strlen(weft_strerror(code)) > 3);
        for (int i = 0; i < count; i++)
            CHECK(strcmp(seen[i], name) != 0);
        seen[count++] = name;
    }
    CHECK(count > 100);
}

TEST(a_number_with_two_names_has_the_usual_one)
{
    CHECK_STR(weft_strerrorname(EWOULDBLOCK), "EAGAIN");
    CHECK_STR(weft_strerrorname(ENOTSUP), "EOPNOTSUPP");
    CHECK_STR(weft_strerrorname(EDEADLOCK), "EDEADLK");
}

TEST(unknown_codes_say_their_number)
{
    CHECK_STR(weft_strerrorname(9999), "E?");
    CHECK_STR(weft_strerror(-9999), "unknown error -9999");
    CHECK_STR(weft_strerrorname(41), "E?");
    CHECK_STR(weft_strerrorname(WEFT_ERROR_BASE), "E?");
    CHECK_STR(weft_strerrorname(WEFT_EINCOMPLETE + 1), "E?");
    CHECK_STR(weft_strerror(INT_MIN), "unknown error -2147483648");
    CHECK_STR(weft_strerror(INT_MAX), "unknown error 2147483647");
}

/* SPDX-License-Identifier: MIT */
/*
 * test_address.c: addresses as text and back
 *
 * Tables: texts that are addresses, with what they mean and how they are printed; texts that are
 * none, with what is said about them. The rest states one sentence of weft/net.h each.
 */
#include "net_test.h"

#include <arpa/inet.h>

/** A text that is an address. */
struct good {
    /** As a person writes it. */
    const char *text;
    /** As weft prints it; NULL: the same. */
    const char *printed;
    /** AF_... */
    int family;
    /** Its port. */
    unsigned port;
};

static const struct good good[] = {
    {"127.0.0.1:80", NULL, AF_INET, 80},
    {"0.0.0.0:0", NULL, AF_INET, 0},
    {"255.255.255.255:65535", NULL, AF_INET, 65535},
    {"*:8080", "0.0.0.0:8080", AF_INET, 8080},
    {"[::1]:80", NULL, AF_INET6, 80},
    {"[::]:65535", NULL, AF_INET6, 65535},
    {"[2001:DB8:0:0::1]:443", "[2001:db8::1]:443", AF_INET6, 443},
    {"[fe80::1%2]:80", NULL, AF_INET6, 80},
    {"[fe80::1%4294967295]:80", NULL, AF_INET6, 80},
    {"[::ffff:1.2.3.4]:9", NULL, AF_INET6, 9},
    {"[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255%4294967295]:65535",
     "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535", AF_INET6, 65535},
    {"unix:/run/some/socket", NULL, AF_UNIX, 0},
    {"unix:relative", NULL, AF_UNIX, 0},
    {"unix:@name", NULL, AF_UNIX, 0},
    {"unix:@", NULL, AF_UNIX, 0},
    {"unix:127.0.0.1:80", NULL, AF_UNIX, 0},
};

#define EACH(row, table)                                                                           \
    for (const __typeof__(*(table)) *row = table; row < table + sizeof table / sizeof *table; row++)

TEST(every_form_is_read_and_printed)
{
    EACH(row, good)
    {
        char text[WEFT_ADDRESS_TEXT_SIZE];
        struct weft_address address = address_of(row->text);
        CHECK_EQ(address.of.any.sa_family, row->family);
        CHECK_EQ(weft_address_port(&address), row->port);
        CHECK(weft_address_format(&address, text, sizeof text) == text);
        CHECK_STR(text, row->printed ? row->printed : row->text);
    }
}

TEST(what_is_printed_can_be_read_again)
{
    EACH(row, good)
    {
        char text[WEFT_ADDRESS_TEXT_SIZE];
        struct weft_address once = address_of(row->text), again;
        CHECK_EQ(weft_address_parse(weft_address_format(&once, text, sizeof text), &again), 0);
        CHECK(weft_address_equal(&once, &again));
        CHECK_EQ(once.len, again.len);
        CHECK_MEM(&once.of, &again.of, once.len);
    }
}

/** A text that is no address. */
struct bad {
    /** As a person writes it. */
    const char *text;
    /** What must be said about it. */
    const char *complaint;
};

static const struct bad bad[] = {
    {"", "a port is missing"},
    {"127.0.0.1", "a port is missing"},
    {"127.0.0.1:", "a port must follow the colon"},
    {"127.0.0.1:http", "a port must follow the colon"},
    {"127.0.0.1: 80", "a port must follow the colon"},
    {"127.0.0.1:-1", "a port must follow the colon"},
    {"127.0.0.1:+80", "a port must follow the colon"},
    {"127.0.0.1:80 ", "the port must be a number from 0 to 65535"},
    {"127.0.0.1:80x", "the port must be a number from 0 to 65535"},
    {"127.0.0.1:65536", "the port must be a number from 0 to 65535"},
    {"127.0.0.1:99999999999999999999999", "the port must be a number from 0 to 65535"},
    {":80", "not an IPv4 address"},
    {"1.2.3:80", "not an IPv4 address"},
    {"1.2.3.4.5:80", "not an IPv4 address"},
    {"1.2.3.256:80", "not an IPv4 address"},
    {" 1.2.3.4:80", "not an IPv4 address"},
    {"localhost:80", "a name, not a number; a resolver must look it up"},
    {"a.name.longer.than.any.address:80", "a name, not a number; a resolver must look it up"},
    {"localhost", "a port is missing"},
    {"::1:80", "IPv6 goes in brackets"},
    {"[::1]", "\"]:port\" must follow the IPv6 address"},
    {"[::1]80", "\"]:port\" must follow the IPv6 address"},
    {"[::1:80", "\"]:port\" must follow the IPv6 address"},
    {"[::1]:", "a port must follow the colon"},
    {"[]:80", "not an IPv6 address"},
    {"[1.2.3.4]:80", "not an IPv6 address"},
    {"[::g]:80", "not an IPv6 address"},
    {"[fe80::1%]:80", "the scope after % must be a number"},
    {"[fe80::1%eth0]:80", "the scope after % must be a number"},
    {"[fe80::1%-1]:80", "the scope after % must be a number"},
    {"[fe80::1%4294967296]:80", "the scope after % must be a number"},
    {"unix:", "a path or @name must follow \"unix:\""},
};

TASK_TEST(what_is_no_address_is_refused_with_a_sentence_that_says_why)
{
    EACH(row, bad)
    {
        char quoted[100];
        struct weft_address address, untouched;
        memset(&address, 0x5a, sizeof address);
        memset(&untouched, 0x5a, sizeof untouched);
        CHECK_ERR(weft_address_parse(row->text, &address), -EINVAL);
        CHECK_MEM(&address, &untouched, sizeof address);
        CHECK_CONTAINS(weft_note(), row->complaint);
        snprintf(quoted, sizeof quoted, "address \"%s\": ", row->text);
        CHECK_CONTAINS(weft_note(), quoted);
    }
}

/** "unix:" and a name of `len` bytes that begins with `first`. */
static void unix_text(char *text, char first, size_t len)
{
    memcpy(text, "unix:", 5);
    memset(text + 5, 'x', len);
    text[5] = first;
    text[5 + len] = '\0';
}

TEST(the_longest_names_of_unix_sockets_fit)
{
    char text[200], printed[WEFT_ADDRESS_TEXT_SIZE];
    struct weft_address address;
    for (int abstract = 0; abstract < 2; abstract++) {
        /* A path keeps its final zero; an abstract name has its zero in the place of the @. */
        size_t longest = abstract ? 108 : 107;
        unix_text(text, abstract ? '@' : '/', longest);
        CHECK_EQ(weft_address_parse(text, &address), 0);
        CHECK_EQ(address.len, sizeof address.of.un);
        CHECK_STR(weft_address_format(&address, printed, sizeof printed), text);
        unix_text(text, abstract ? '@' : '/', longest + 1);
        CHECK_ERR(weft_address_parse(text, &address), -EINVAL);
    }
}

TEST(a_text_that_is_too_long_for_an_ipv6_address_is_not_cut_to_one)
{
    char text[400];
    struct weft_address address;
    memset(text, '0', sizeof text);
    memcpy(text, "[::1%", 5);
    memcpy(text + sizeof text - 6, "1]:80", 6);
    CHECK_ERR(weft_address_parse(text, &address), -EINVAL);
}

TEST(the_bytes_are_those_of_the_network)
{
    struct weft_address address = address_of("1.2.3.4:258");
    static const unsigned char host[] = {1, 2, 3, 4}, port[] = {1, 2};
    CHECK_MEM(&address.of.in.sin_addr, host, 4);
    CHECK_MEM(&address.of.in.sin_port, port, 2);
    CHECK_EQ(address.len, sizeof(struct sockaddr_in));
    address = address_of("[::1%7]:258");
    CHECK_EQ(address.of.in6.sin6_scope_id, 7);
    CHECK_EQ(address.of.in6.sin6_addr.s6_addr[15], 1);
    CHECK_MEM(&address.of.in6.sin6_port, port, 2);
    CHECK_EQ(address.len, sizeof(struct sockaddr_in6));
    address = address_of("unix:@ab");
    CHECK_MEM(address.of.un.sun_path, "\0ab", 3);
    CHECK_EQ(address.len, offsetof(struct sockaddr_un, sun_path) + 3);
}

TEST(a_text_is_cut_at_the_size_of_its_room)
{
    static const char *const texts[] = {"127.0.0.1:80", "[fe80::1%2]:80", "unix:/path", "unix:@a"};
    EACH(row, texts)
    {
        char text[8], whole[WEFT_ADDRESS_TEXT_SIZE];
        struct weft_address address = address_of(*row);
        weft_address_format(&address, whole, sizeof whole);
        memset(text, '!', sizeof text);
        CHECK(weft_address_format(&address, text, 6) == text);
        CHECK_EQ(text[5], '\0');
        CHECK_MEM(text, whole, 5);
        CHECK_EQ(text[6], '!');
    }
}

TEST(other_families_and_nameless_sockets_have_a_text_too)
{
    char text[WEFT_ADDRESS_TEXT_SIZE];
    struct weft_address address;
    memset(&address, 0, sizeof address);
    address.of.any.sa_family = AF_UNIX;
    address.len = offsetof(struct sockaddr_un, sun_path);
    CHECK_STR(weft_address_format(&address, text, sizeof text), "unix:");
    address.of.any.sa_family = 99;
    CHECK_STR(weft_address_format(&address, text, sizeof text), "(family 99)");
    CHECK_EQ(weft_address_port(&address), 0);
}

TEST(addresses_are_equal_when_family_host_port_and_scope_are)
{
    static const char *const texts[] = {
        "1.2.3.4:80",     "1.2.3.4:81", "1.2.3.5:80", "[::1]:80", "[::1]:81",       "[::2]:80",
        "[fe80::1%1]:80", "unix:/a",    "unix:/b",    "unix:/ab", "[fe80::1%2]:80", "unix:@a",
    };
    EACH(one, texts)
    {
        EACH(other, texts)
        {
            struct weft_address a = address_of(*one), b = address_of(*other);
            /* What lies behind an address does not count. */
            memset((char *)&b.of + b.len, 0x5a, sizeof b.of - b.len);
            CHECK_EQ(weft_address_equal(&a, &b) != 0, one == other);
        }
    }
}

TEST(addresses_of_two_families_are_never_equal)
{
    struct weft_address four = address_of("1.2.3.4:80"), six = address_of("[::]:80");
    /* Where one has its host the other has its flow. */
    memcpy(&six.of.in6.sin6_flowinfo, &four.of.in.sin_addr, 4);
    CHECK(!weft_address_equal(&four, &six));
    CHECK(!weft_address_equal(&six, &four));
}

/* --- Any address, any text ----------------------------------------------------------------- */

/** The next of a fixed row of numbers. */
static unsigned next_number(void)
{
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)(state >> 32);
}

static void fill_bytes(void *to, size_t len)
{
    unsigned char *bytes = to;
    for (size_t i = 0; i < len; i++)
        bytes[i] = (unsigned char)next_number();
}

/** An address of IPv6, often with runs of zeros, which are written short. */
static void random_in6(struct weft_address *address)
{
    address->len = sizeof address->of.in6;
    address->of.in6.sin6_family = AF_INET6;
    address->of.in6.sin6_port = (in_port_t)next_number();
    address->of.in6.sin6_scope_id = next_number() % 3 ? 0 : next_number();
    fill_bytes(&address->of.in6.sin6_addr, 16);
    for (int i = 0; i < 8; i++)
        if (next_number() % 2)
            memset(&address->of.in6.sin6_addr.s6_addr[2 * i], 0, 2);
}

/** A path or an abstract name of any bytes but zeros. */
static void random_unix(struct weft_address *address)
{
    bool abstract = next_number() % 2;
    size_t len = 1 + next_number() % 107;
    char *name = address->of.un.sun_path;
    address->of.un.sun_family = AF_UNIX;
    fill_bytes(name, len);
    for (size_t i = 0; i < len; i++)
        name[i] = name[i] ? name[i] : 'x';
    if (abstract)
        name[0] = '\0';
    else if (name[0] == '@')
        name[0] = '/';
    address->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + !abstract);
}

static struct weft_address random_address(void)
{
    struct weft_address address;
    memset(&address, 0, sizeof address);
    unsigned kind = next_number() % 3;
    if (kind == 0) {
        address.len = sizeof address.of.in;
        address.of.in.sin_family = AF_INET;
        address.of.in.sin_port = (in_port_t)next_number();
        address.of.in.sin_addr.s_addr = next_number();
    } else if (kind == 1) {
        random_in6(&address);
    } else {
        random_unix(&address);
    }
    return address;
}

TEST(any_address_comes_back_from_its_text)
{
    for (int i = 0; i < 20000; i++) {
        char text[WEFT_ADDRESS_TEXT_SIZE], again[WEFT_ADDRESS_TEXT_SIZE];
        struct weft_address address = random_address(), read;
        weft_address_format(&address, text, sizeof text);
        CHECK_EQ(weft_address_parse(text, &read), 0);
        CHECK(weft_address_equal(&address, &read));
        CHECK_EQ(address.len, read.len);
        CHECK_STR(weft_address_format(&read, again, sizeof again), text);
    }
}

/* What is read is printed as something that reads the same; what is not is left alone. */
TEST(any_text_is_an_address_that_comes_back_or_none)
{
    static const char letters[] = "0123456789abcdefF:.[]%*@/ux-+ ";
    int good_ones = 0;
    for (int i = 0; i < 200000; i++) {
        char text[WEFT_ADDRESS_TEXT_SIZE], printed[WEFT_ADDRESS_TEXT_SIZE];
        struct weft_address address, untouched, again;
        memset(&address, 0x5a, sizeof address);
        untouched = address;
        /* A good one with a letter or two exchanged. */
        snprintf(text, sizeof text, "%s", good[next_number() % (sizeof good / sizeof *good)].text);
        for (unsigned n = 1 + next_number() % 2; n > 0; n--)
            text[next_number() % strlen(text)] = letters[next_number() % (sizeof letters - 1)];
        if (weft_address_parse(text, &address) < 0) {
            CHECK_MEM(&address, &untouched, sizeof address);
            continue;
        }
        good_ones++;
        weft_address_format(&address, printed, sizeof printed);
        CHECK_EQ(weft_address_parse(printed, &again), 0);
        CHECK(weft_address_equal(&address, &again));
    }
    CHECK(good_ones > 10000);
}

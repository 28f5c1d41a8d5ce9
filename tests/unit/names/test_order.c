/* SPDX-License-Identifier: MIT */
/*
 * test_order.c: in which order the addresses of an answer are tried
 *
 * Orders are written as letters: each answer is a text in which a small letter is an IPv4 address
 * and a capital an IPv6 address.
 */
#include "names_test.h"

#include "names/internal.h"

static struct weft_address address_of_letter(char letter)
{
    char text[40];
    bool six = letter >= 'A' && letter <= 'Z';
    snprintf(text, sizeof text, six ? "[2001:db8::%x]:1" : "192.0.2.%d:1", letter);
    return address_of(text);
}

static char letter_of(const struct weft_address *address)
{
    return (char)(address->of.any.sa_family == AF_INET
                      ? ntohl(address->of.in.sin_addr.s_addr) & 0xff
                      : address->of.in6.sin6_addr.s6_addr[15]);
}

static const char *interleaved(const char *answer, uint32_t first)
{
    static char text[100];
    static struct weft_address from[100], to[100];
    size_t count = strlen(answer);
    for (size_t i = 0; i < count; i++)
        from[i] = address_of_letter(answer[i]);
    weft__addresses_interleave(from, count, first, to);
    for (size_t i = 0; i < count; i++)
        text[i] = letter_of(&to[i]);
    text[count] = '\0';
    return text;
}

TEST(the_families_take_turns)
{
    CHECK_STR(interleaved("ABCabc", 1), "AaBbCc");
    CHECK_STR(interleaved("abcABC", 1), "aAbBcC");
    CHECK_STR(interleaved("AaBbCc", 1), "AaBbCc");
    CHECK_STR(interleaved("AabBCc", 1), "AaBbCc");
}

TEST(nothing_counts_as_one)
{
    CHECK_STR(interleaved("ABCabc", 0), "AaBbCc");
}

TEST(the_first_family_can_have_a_start)
{
    CHECK_STR(interleaved("ABCDabc", 2), "ABaCbDc");
    CHECK_STR(interleaved("ABCDabc", 3), "ABCaDbc");
    CHECK_STR(interleaved("ABab", 100), "ABab");
}

TEST(a_family_that_is_used_up_leaves_its_turns_to_the_other)
{
    CHECK_STR(interleaved("Aabcd", 1), "Aabcd");
    CHECK_STR(interleaved("ABCDa", 1), "AaBCD");
    CHECK_STR(interleaved("Aabcd", 3), "Aabcd");
    CHECK_STR(interleaved("abcdA", 2), "abAcd");
}

TEST(one_family_stays_as_it_is)
{
    CHECK_STR(interleaved("abc", 1), "abc");
    CHECK_STR(interleaved("ABC", 2), "ABC");
    CHECK_STR(interleaved("a", 1), "a");
    CHECK_STR(interleaved("", 1), "");
}

/* Each arrangement of up to six addresses: nothing is lost, and each family keeps its order. */
TEST(whatever_the_answer_each_address_is_there_once_and_families_keep_their_order)
{
    for (unsigned shape = 0; shape < 64; shape++) {
        for (uint32_t first = 0; first < 5; first++) {
            char answer[7] = "", four[7] = "", six[7] = "";
            unsigned count = 6, fours = 0, sixes = 0;
            for (unsigned i = 0; i < count; i++)
                answer[i] = (char)((shape >> i & 1 ? 'A' : 'a') + (int)i);
            const char *order = interleaved(answer, first);
            for (unsigned i = 0; i < count; i++)
                if (order[i] >= 'a')
                    four[fours++] = order[i];
                else
                    six[sixes++] = order[i];
            CHECK_EQ(fours + sixes, count);
            for (unsigned i = 1; i < fours; i++)
                CHECK(four[i - 1] < four[i]);
            for (unsigned i = 1; i < sixes; i++)
                CHECK(six[i - 1] < six[i]);
            CHECK_EQ(order[0], answer[0]);
        }
    }
}

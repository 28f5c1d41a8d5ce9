/* SPDX-License-Identifier: MIT */
/*
 * row_3a.c: "An introduction to Asyncio", two generators that converse; the same with send
 *
 * Each says one sentence in turn until both are done, once driven by next and once by send without
 * a value, which is the same. The text is cut at the bars while the generator runs: its place in
 * the text is a local variable, and so is the sentence that it yields, which stays in place as
 * long as the generator rests.
 *
 *     row_3a ["sentence|sentence|..." ["sentence|..."]]
 */
#include "seed.h"
#include <string.h>

#define SIZE 256

static int says(struct weft_gen *gen, void *arg)
{
    const char *text = arg;
    int rc = 0;

    while (rc == 0 && *text) {
        char sentence[SIZE];
        size_t len = strcspn(text, "|");

        snprintf(sentence, sizeof sentence, "%.*s", (int)len, text);
        text += len + (text[len] == '|');
        rc = weft_gen_yield(gen, sentence, NULL);
    }
    return rc;
}

static int step(struct weft_gen *gen, int with_send, void **value)
{
    return with_send ? weft_gen_send(gen, NULL, value) : weft_gen_next(gen, value);
}

static int take_turns(struct weft_gen *gens[2], int with_send)
{
    int first = 1, second = 1;
    void *value;

    while (first > 0 || second > 0) {
        if (first > 0 && (first = step(gens[0], with_send, &value)) > 0)
            puts(value);
        if (second > 0 && (second = step(gens[1], with_send, &value)) > 0)
            puts(value);
    }
    return first < 0 ? first : second;
}

static int converse(char *texts[2], int with_send)
{
    struct weft_gen *gens[2] = {NULL, NULL};
    int rc = weft_gen_new(says, texts[0], &gens[0]);

    if (rc == 0)
        rc = weft_gen_new(says, texts[1], &gens[1]);
    if (rc == 0)
        rc = take_turns(gens, with_send);
    int first_rc = weft_gen_close(gens[0]);
    int second_rc = weft_gen_close(gens[1]);
    return rc < 0 ? rc : first_rc < 0 ? first_rc : second_rc;
}

int main(int argc, char **argv)
{
    static char pippo[] = "Hi, who are you?|Nice to meet you.|I am Pippo";
    static char pluto[] = "Hi, I am Pluto|What's your name?";
    char *texts[2] = {argc > 1 ? argv[1] : pippo, argc > 2 ? argv[2] : pluto};
    int rc = converse(texts, 0);

    return exit_status(rc < 0 ? rc : converse(texts, 1));
}

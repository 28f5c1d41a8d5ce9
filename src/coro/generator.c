/* SPDX-License-Identifier: MIT */
/*
 * generator.c: coroutines driven from outside, one value at a time
 *
 * Driving is two switches: the driver's leaf goes to the generator, the yield comes back. What is
 * handed over (a value up, a value or an error down) lies in the generator that is driven.
 *
 * Delegation makes a chain, root ─▶ ... ─▶ leaf, of which only the root is driven and only the leaf
 * runs: driving the root goes straight to the leaf, whose yield goes straight to the root's driver,
 * so that a step costs the same however long the chain is. It takes three pointers: the root knows
 * its leaf, the leaf its root, and each member but the root its parent, to whom it hands over when
 * its body returns. Those between are RUNNING all the time and cannot be driven by anybody else.
 *
 *            drive                                 root->leaf ─────────────┐
 *     driver ─────▶ root                           root ◀─parent─ m ◀─parent─ leaf
 *        ▲            └─ switch to root->leaf        ▲                         │
 *        └── leaf yields: switch to root->resumer    └──────── leaf->root ─────┘
 *
 * Whoever switches away has already written what the other one shall find: a yield the value where
 * the driver wants it, the driver the sent one where the yield wants it. Nothing is left to be done
 * after a switch, so that it is the last act of next and of yield, and the compiler makes it a
 * jump: a return instruction there would be mispredicted each time (25 ns a step instead of 7).
 *
 * A stack is promised when a generator is made, taken when it first runs, and put back by close.
 * Everything here stays on one thread.
 */
#include "coro/generator.h"

#include <errno.h>

/** One generator. */
struct weft_gen {
    /** Its coroutine; has a stack from the first run on. */
    struct weft__coro coro;
    /** The thread that made it: the address of a thread-local variable. */
    const void *thread;
    /** enum weft_gen_state; see set_state. */
    unsigned char state;
    /** Of a root: close was delivered, so that a further yield does not return. */
    bool closing;
    /** A line on stderr has told that it was left open. */
    bool reported;
    /** Of a root, while RUNNING: the driver's open scopes when it was driven. */
    unsigned scope_depth;
    /** Of a root: the member of its chain that runs, or rests at a yield. Itself when alone. */
    struct weft_gen *leaf;
    /** Of a leaf: the member of its chain that is driven. Itself when alone. */
    struct weft_gen *root;
    /** Of a root, while RUNNING: who drives it, and goes on at the yield. */
    struct weft__coro *resumer;
    /** Of a root, while RUNNING: where the driver wants the value; may be NULL. */
    void **value;
    /** Of a leaf that rests: where its yield wants what is sent; may be NULL. */
    void **sent;
    /** Who delegates to this one; NULL for a root. */
    struct weft_gen *parent;
    /** The body and its argument. */
    weft_gen_fn *fn;
    void *arg;
    /** What the body returned, once FINISHED. */
    int result;
    /** The body's name, and "file:line" that made it. */
    const char *name;
    const char *site;
    /** Membership in its owner's list, or in `detached`. */
    struct weft_link link;
    /** Where it is listed when it is nobody's. */
    struct weft_link *detached;
    /** Where its stack comes from. */
    struct weft__stack_pool *stacks;
};

static void set_state(struct weft_gen *gen, enum weft_gen_state state)
{
    static const unsigned char next[] = {
        [WEFT_GEN_CREATED] = 1u << WEFT_GEN_RUNNING | 1u << WEFT_GEN_FINISHED,
        [WEFT_GEN_RUNNING] = 1u << WEFT_GEN_SUSPENDED | 1u << WEFT_GEN_FINISHED,
        [WEFT_GEN_SUSPENDED] = 1u << WEFT_GEN_RUNNING,
        [WEFT_GEN_FINISHED] = 0,
    };
    weft__assert(next[gen->state] & 1u << state);
    (void)next;
    gen->state = (unsigned char)state;
}

/* --- The body's end ------------------------------------------------------------------ */

/** Marks the leaf of a chain as finished and shortens the chain. Returns who goes on. */
static struct weft__coro *finish(struct weft_gen *gen, int result)
{
    struct weft_gen *root = gen->root, *parent = gen->parent;
    struct weft__coro *heir = parent ? &parent->coro : root->resumer;
    if (parent) {
        parent->root = root;
        root->leaf = parent;
        gen->parent = NULL;
        gen->root = gen->leaf = gen;
    }
    gen->result = result;
    set_state(gen, WEFT_GEN_FINISHED);
    weft__driver_current->leaf = heir;
    return heir;
}

/** Where the coroutine begins. */
static void enter(void *arg)
{
    struct weft_gen *gen = arg;
    int result = gen->fn(gen, gen->arg);
    /* Who delegates gets the return value, who drives is told of the end. */
    int told = gen->parent || result < 0 ? result : 0;
    weft__context_switch_final_with(&gen->coro.ctx, &finish(gen, result)->ctx, told);
}

/** Ends a body that yields although it was told to clean up and leave: it never runs again. */
WEFT_NORETURN static void abandon(struct weft_gen *gen)
{
    (void)weft__misuse(-EPROTO,
                       "generator %s (made at %s) was told to end by weft_gen_close and yields "
                       "again: once a yield has failed, clean up and return",
                       gen->name, gen->site);
    (void)weft__context_switch_with(&gen->coro.ctx, &finish(gen, -EPROTO)->ctx, -EPROTO);
    __builtin_unreachable();
}

/** Ends a generator whose body never ran. */
static void finish_unstarted(struct weft_gen *gen, int result)
{
    weft__stack_unreserve(gen->stacks, WEFT__STACK_DEFAULT);
    gen->result = result;
    set_state(gen, WEFT_GEN_FINISHED);
}

/* --- Driving ------------------------------------------------------------------------- */

/** Gives a generator its stack. */
static void begin(struct weft_gen *gen)
{
    weft__coro_bind(&gen->coro, WEFT_KIND_GENERATOR,
                    weft__stack_take(gen->stacks, WEFT__STACK_DEFAULT), enter, gen);
}

static bool of_this_thread(const struct weft_gen *gen)
{
    return gen->thread == &weft__driver_current;
}

/** Whether a generator may be driven: 1, 0 when it is finished, or an error. */
static int drivable(const struct weft_gen *gen)
{
    if (!of_this_thread(gen))
        return weft__misuse(-EPERM, "generator %s was made at %s by another thread", gen->name,
                            gen->site);
    if (gen->state == WEFT_GEN_RUNNING)
        return -EBUSY;
    return gen->state != WEFT_GEN_FINISHED;
}

/** Hands `sent`, or the error `thrown`, to the yield where `leaf` rests; switching comes next. */
static inline void hand_down(struct weft_gen *leaf, void *sent, int thrown)
{
    if (leaf->sent && !thrown)
        *leaf->sent = sent;
}

/** Runs a generator that has a stack until it yields (1, *value) or ends (0 or its failure). */
static inline int drive(struct weft_gen *gen, void *sent, int thrown, void **value)
{
    struct weft__driver *driver = weft__driver_get();
    struct weft__coro *self = driver->leaf;
    struct weft_gen *leaf = gen->leaf;
    gen->resumer = self;
    gen->scope_depth = driver->scope_depth;
    gen->value = value;
    hand_down(leaf, sent, thrown);
    set_state(gen, WEFT_GEN_RUNNING);
    driver->leaf = &leaf->coro;
    return weft__context_switch_int(&self->ctx, &leaf->coro.ctx, thrown);
}

/** The same for a generator in any state. */
__attribute__((noinline)) static int drive_any(struct weft_gen *gen, void *sent, int thrown,
                                               void **value)
{
    int rc = drivable(gen);
    if (rc <= 0)
        return rc;
    if (gen->state == WEFT_GEN_CREATED) {
        if (thrown) {
            finish_unstarted(gen, thrown);
            return thrown;
        }
        if (sent)
            return -EINVAL;
        begin(gen);
    }
    return drive(gen, sent, thrown, value);
}

/** Whether the next step is the common one. */
static inline bool rests_here(const struct weft_gen *gen)
{
    return weft__likely(gen->state == WEFT_GEN_SUSPENDED && of_this_thread(gen));
}

int weft_gen_next(struct weft_gen *gen, void **value)
{
    return rests_here(gen) ? drive(gen, NULL, 0, value) : drive_any(gen, NULL, 0, value);
}

int weft_gen_send(struct weft_gen *gen, void *sent, void **value)
{
    return rests_here(gen) ? drive(gen, sent, 0, value) : drive_any(gen, sent, 0, value);
}

int weft_gen_throw(struct weft_gen *gen, int error, void **value)
{
    if (error >= 0)
        return weft__misuse(-EINVAL, "weft_gen_throw(%s, %d): an error is negative", gen->name,
                            error);
    return drive_any(gen, NULL, error, value);
}

int weft_gen_prime(struct weft_gen *gen)
{
    int rc = drivable(gen);
    if (rc >= 0 && gen->state != WEFT_GEN_CREATED)
        return -EINVAL;
    if (rc > 0)
        rc = drive_any(gen, NULL, 0, NULL);
    return rc < 0 ? rc : 0;
}

/* --- Inside a body ------------------------------------------------------------------- */

/** Whether the body of `gen` runs here and may give way to its driver. */
static inline bool may_rest(const struct weft_gen *gen)
{
    const struct weft__driver *driver = weft__driver_current;
    return weft__likely(driver && driver->leaf == &gen->coro && !gen->root->closing &&
                        driver->scope_depth == gen->root->scope_depth);
}

/** Says why it may not. Does not return to a body that was closed. */
__attribute__((noinline)) static int refuse_rest(struct weft_gen *gen, const char *call)
{
    const struct weft__driver *driver = weft__driver_current;
    if (!driver || driver->leaf != &gen->coro)
        return weft__misuse(-EPERM, "%s was called outside the body of its generator", call);
    if (gen->root->closing)
        abandon(gen);
    return weft__misuse(-EPROTO,
                        "generator %s (made at %s) calls %s inside a scope that it has not left",
                        gen->name, gen->site, call);
}

int weft_gen_yield(struct weft_gen *gen, void *value, void **sent)
{
    if (!may_rest(gen))
        return refuse_rest(gen, "weft_gen_yield");
    struct weft_gen *root = gen->root;
    struct weft__coro *resumer = root->resumer;
    if (root->value)
        *root->value = value;
    gen->sent = sent;
    set_state(root, WEFT_GEN_SUSPENDED);
    weft__driver_current->leaf = resumer;
    return weft__context_switch_int(&gen->coro.ctx, &resumer->ctx, 1);
}

/** Makes `inner`, with whatever it delegates to, the end of the chain. Returns who runs. */
static struct weft__coro *extend(struct weft_gen *gen, struct weft_gen *inner)
{
    struct weft_gen *root = gen->root, *leaf = inner->leaf;
    if (inner->state == WEFT_GEN_CREATED)
        begin(inner);
    set_state(inner, WEFT_GEN_RUNNING);
    inner->parent = gen;
    leaf->root = root;
    root->leaf = leaf;
    hand_down(leaf, NULL, 0);
    weft__driver_current->leaf = &leaf->coro;
    return &leaf->coro;
}

int weft_gen_delegate(struct weft_gen *gen, struct weft_gen *inner)
{
    if (!may_rest(gen))
        return refuse_rest(gen, "weft_gen_delegate");
    int rc = drivable(inner);
    if (rc < 0)
        return rc;
    if (rc > 0)
        rc = weft__context_switch_int(&gen->coro.ctx, &extend(gen, inner)->ctx, 0);
    else
        rc = inner->result;
    /* Whatever the inner body made of being closed, the one that delegated to it is closed too. */
    return rc >= 0 && gen->root->closing ? -WEFT_ECLOSED : rc;
}

/* --- Making and ending --------------------------------------------------------------- */

/** A promised stack and memory for a generator; NULL when out of memory. */
static struct weft_gen *allocate(struct weft__stack_pool *stacks)
{
    if (weft__stack_reserve(stacks, WEFT__STACK_DEFAULT) < 0)
        return NULL;
    struct weft_gen *gen = stacks->sys->realloc(stacks->sys, NULL, sizeof *gen);
    if (!gen)
        weft__stack_unreserve(stacks, WEFT__STACK_DEFAULT);
    return gen;
}

int weft_gen_new_at(weft_gen_fn *fn, void *arg, const char *name, const char *site,
                    struct weft_gen **ret)
{
    struct weft__driver *driver = weft__driver_get();
    struct weft__stack_pool *stacks = weft__driver_stacks(driver);
    if (!stacks)
        return -ENOMEM;
    struct weft_gen *gen = allocate(stacks);
    if (!gen) {
        weft__driver_settle(stacks);
        return -ENOMEM;
    }
    *gen = (struct weft_gen){
        .leaf = gen,
        .root = gen,
        .state = WEFT_GEN_CREATED,
        .fn = fn,
        .arg = arg,
        .name = name,
        .site = site,
        .detached = driver->detached,
        .stacks = stacks,
        .thread = &weft__driver_current,
    };
    weft__list_insert(&driver->generators, &gen->link);
    *ret = gen;
    return 0;
}

/** Brings a generator that may be driven to its end. */
static void end_body(struct weft_gen *gen)
{
    if (gen->state == WEFT_GEN_CREATED) {
        finish_unstarted(gen, 0);
        return;
    }
    gen->closing = true;
    (void)drive(gen, NULL, -WEFT_ECLOSED, NULL);
}

/** Frees a finished generator; returns its failure, or 0. */
static int dispose(struct weft_gen *gen)
{
    struct weft__stack_pool *stacks = gen->stacks;
    if (gen->coro.stack)
        weft__coro_release(&gen->coro, stacks);
    int rc = gen->result < 0 && gen->result != -WEFT_ECLOSED ? gen->result : 0;
    weft__list_remove(&gen->link);
    (void)stacks->sys->realloc(stacks->sys, gen, 0);
    weft__driver_settle(stacks);
    return rc;
}

int weft_gen_close(struct weft_gen *gen)
{
    int rc = gen ? drivable(gen) : 0;
    if (!gen || rc < 0)
        return rc;
    if (rc > 0)
        end_body(gen);
    return dispose(gen);
}

void weft_gen_detach(struct weft_gen *gen)
{
    weft__list_remove(&gen->link);
    weft__list_insert(gen->detached, &gen->link);
}

/* --- Owners that end ----------------------------------------------------------------- */

static struct weft_gen *of_link(struct weft_link *link)
{
    return weft__container(link, struct weft_gen, link);
}

static void report(struct weft_gen *gen, const char *what)
{
    if (!gen->reported)
        weft__report("generator %s (made at %s) %s", gen->name, gen->site, what);
    gen->reported = true;
}

/** The first generator of a list that rests, or never ran; NULL when there is none. */
static struct weft_gen *first_unfinished(struct weft_link *list)
{
    weft__list_each(link, list) if (drivable(of_link(link)) > 0) return of_link(link);
    return NULL;
}

/**
 * Ends all bodies before it frees the first generator, because a body's cleaning up may still use
 * the others: drive them, or close them, as it would have done without us.
 */
static void end_all(struct weft_link *list, const char *what)
{
    struct weft_gen *gen;
    while ((gen = first_unfinished(list))) {
        report(gen, what);
        end_body(gen);
    }
    weft__list_each(link, list)
    {
        gen = of_link(link);
        report(gen, what);
        if (gen->state == WEFT_GEN_FINISHED)
            (void)dispose(gen);
    }
}

void weft__generators_end(struct weft__driver *driver)
{
    end_all(&driver->generators, "was left open by the task that made it");
    struct weft_link *link;
    while ((link = weft__list_first(&driver->generators)))
        weft_gen_detach(of_link(link));
}

void weft__generators_end_detached(struct weft_link *detached)
{
    end_all(detached, "was detached and left open until the end of its loop");
}

/* --- Looking ------------------------------------------------------------------------- */

int weft_gen_result(const struct weft_gen *gen)
{
    return gen->state == WEFT_GEN_FINISHED ? gen->result : -EAGAIN;
}

enum weft_gen_state weft_gen_state(const struct weft_gen *gen)
{
    return (enum weft_gen_state)gen->state;
}

enum weft_kind weft_running_kind(void)
{
    const struct weft__driver *driver = weft__driver_current;
    return driver ? driver->leaf->kind : WEFT_KIND_PLAIN;
}

static const struct weft_gen *of_coro(const struct weft__coro *coro)
{
    weft__assert(coro->kind == WEFT_KIND_GENERATOR);
    return (const struct weft_gen *)(const void *)((const char *)coro -
                                                   offsetof(struct weft_gen, coro));
}

const char *weft__generator_name(const struct weft__coro *coro)
{
    return of_coro(coro)->name;
}

const char *weft__generator_site(const struct weft__coro *coro)
{
    return of_coro(coro)->site;
}

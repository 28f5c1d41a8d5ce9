/* SPDX-License-Identifier: MIT */
/*
 * operation.pml: a waiting call, from submit to return, as a model that spin searches in full
 *
 * Who takes part: tasks that call (a transfer, or a select that waits for readiness), those who
 * cancel them, one who closes the descriptor, the loop's turn, and the world: a peer who sends, the
 * kernel (COMPLETION: requests; else readiness), a stranger who gives the number another file. The
 * loop is one thread, so its parts hold `busy` while they run; kernel and peer do not ask. All is
 * named as in the code: wait.c, operation.c and readiness.c of net, watch.c, descriptor.c,
 * poller/readiness.c, io_uring/{engine,request,result}.c.
 *
 * The states and the transitions that the code allows are in table.pml, which tools/model.py makes
 * out of the C sources. A transition made here that is not in the table is an error; one of the
 * table that no run makes is reported by the tool. What must hold is in the assertions, in the
 * absence of a deadlock, and in the formula at the end.
 *
 * MUTANT_name plants a bug, so that it can be seen that the model notices.
 *
 * Left out: watches, several descriptors, a full submission queue, running out of memory.
 */
#include "table.pml"

#define TASKS 2
#ifndef ROUNDS
#define ROUNDS 1         /* calls of task 1, one after the other; task 0 makes one */
#endif
#ifndef UNITS
#define UNITS (1 + ROUNDS) /* what the peer sends: enough for every call */
#endif
#ifndef HITCHES
#define HITCHES 1        /* how often the kernel gives back a request, or hands it to a worker */
#endif
#define HEAP TASKS       /* op i lies on the stack of task i, this one, of a select, on the heap */
#define SELECTS 1        /* the task that may select */
#define OPS (TASKS + 1)
#define CLOSER TASKS     /* the wait of the task that closes */
#define NOBODY OPS

/* Results of an operation and of a wait. */
#define NOTHING 0        /* none yet */
#define MOVED 1          /* a unit was taken */
#define READY 2          /* there is one to take */
#define CANCELED 3       /* -ECANCELED */
#define BADF 4           /* -EBADF */
#define UNSERVED 5       /* the kernel did nothing, and that is no outcome: -EAGAIN, -EINTR ... */

/* Where a request is in the kernel. */
#define NONE 0
#define WAITING 1        /* for data */
#define BETWEEN 2        /* two attempts: it will wait again, and a cancel does not find it */
#define WORKER 3         /* in a thread of the kernel: ends by itself, or when interrupted */

typedef Op {
    byte state;          /* enum weft__op_state */
    byte result;
    byte file;           /* what the number was when the call was made */
    byte name;           /* under which the kernel knows it: changes with each request */
    bool named;          /* the name is in force: there is a request */
    bool polling;        /* its request is for readiness, on behalf of a transfer */
    bool cancel_sent;    /* the kernel was asked to give it back */
    bool evicted;        /* the number has another file now */
    bool alive;          /* its memory, and its buffer */
    bool over;           /* it has its result, and done() is put off */
    bool pending;        /* done() was not yet called */
    bool heard           /* of a select: the wait of the task listens */
}
typedef Wait {
    byte state;          /* enum weft_wait_state */
    byte result;
    bool abort           /* it has an abort function, not yet called */
}
typedef Request {
    byte stage;
    byte name;
    byte file;
    bool polling;        /* takes nothing */
    bool interrupted
}

Op op[OPS];
Wait wait[TASKS + 1];
Request request[OPS];

/* The loop's thread and its tasks. */
bool busy;               /* somebody runs */
bool refuse[TASKS];      /* the scope of the task is cancelled */
bool runnable[TASKS + 1];
byte current[TASKS];     /* the op of the task's call */
byte finished;           /* tasks that made all their calls */
byte owed;               /* ops that nobody waits for and that the engine still has */

/* The descriptor's entry. */
byte queue[OPS];         /* first-in first-out, readiness before transfers */
byte queued;
bool owned;
byte identity;           /* of the file that its waiters wait for */
bool closing, closed;
bool closer_waits;
bool dirty;              /* completion: there is something to tell the kernel */
bool armed;              /* readiness: the kernel was asked to tell */
bool edge;               /* readiness of an owned descriptor: the kernel has something to tell */

/* The world. */
bool cancels, late, strange; /* who takes part in this run; see init */
byte file;               /* what the number stands for */
byte data;               /* units that can be taken */
byte taken;              /* units that no call has returned yet */
byte hitches = HITCHES;
chan results = [2 * OPS] of { bool, byte, byte, byte }; /* of a cancel?, op, name, result */

/* For the steps of the loop's thread; 0 between them. */
byte at, first, tried;
bool withdrawn;

#define is_poll(o) (o == HEAP)
#define changed() (!owned && queued > 0 && identity != file)

/* What the runs reach is noted outside of the states, by what tools/model.py links to them. */
c_decl {
    extern void note_transition(int table, int from, int to);
};
hidden byte note_from, note_to;

inline op_set_state(o, to)
{
    assert(OP_MAY(op[o].state, to));
    note_from = op[o].state;
    note_to = to;
    c_code { note_transition(0, note_from, note_to); };
    op[o].state = to
}

inline wait_set_state(w, to)
{
    assert(WAIT_MAY(wait[w].state, to));
    note_from = wait[w].state;
    note_to = to;
    c_code { note_transition(1, note_from, note_to); };
    wait[w].state = to
}

/* --- Waking (wait.c) ------------------------------------------------------------------------ */

/* The code lets a second wake pass without effect; whoever has a result to bring must be first. */
inline weft_wake(w, with)
{
    assert(wait[w].state != WAIT_WOKEN);
    if
    :: wait[w].state != WAIT_INIT -> assert(!runnable[w]); runnable[w] = true
    :: else
    fi;
    wait[w].result = with;
    wait_set_state(w, WAIT_WOKEN)
}

inline wait_init(w)
{
    wait[w].state = WAIT_INIT;
    wait[w].result = NOTHING;
    wait[w].abort = false
}

/* --- The queue of the descriptor, and how an operation ends (descriptor.c) ------------------- */

inline enqueue(o)
{
    at = queued;
    do
    :: at > 0 && is_poll(o) && !is_poll(queue[at - 1]) ->
        queue[at] = queue[at - 1];
        at--
    :: else -> break
    od;
    queue[at] = o;
    queued++;
    at = 0;
    op_set_state(o, OP_QUEUED)
}

inline dequeue(o)
{
    at = 0;
    do
    :: queue[at] != o -> at++
    :: else -> break
    od;
    queued--;
    do
    :: at < queued ->
        queue[at] = queue[at + 1];
        at++
    :: else -> break
    od;
    queue[queued] = 0;
    at = 0;
    if
    :: queued == 0 -> identity = 0
    :: else
    fi
}

inline find_transfer()
{
    at = 0;
    do
    :: at < queued && is_poll(queue[at]) -> at++
    :: else -> break
    od;
    if
    :: at < queued -> first = queue[at]
    :: else -> first = NOBODY
    fi;
    at = 0
}

/* Its memory is gone: everything is 0, so that what was there makes no difference. */
inline free_op(o)
{
    op[o].state = OP_IDLE;
    op[o].result = NOTHING;
    op[o].file = 0;
    op[o].polling = false;
    op[o].evicted = false;
    op[o].cancel_sent = false;
    op[o].pending = false;
    op[o].heard = false;
    op[o].alive = false;
    /* An old name matters as long as an answer may come to it. */
    if
    :: results ?? [true, eval(o), _, _]
    :: else -> op[o].name = 0
    fi
}

/* operation_done for an op of a call, poll_done for one of a select. */
inline done(o)
{
    assert(op[o].alive && !op[o].named && op[o].pending);
    op[o].pending = false;
    if
    :: !is_poll(o) ->
#ifdef MUTANT_wake_lost
        if
        :: wait[o].state == WAIT_ABORTING
        :: else -> weft_wake(o, op[o].result)
        fi
#else
        weft_wake(o, op[o].result)
#endif
    :: is_poll(o) && op[o].heard -> weft_wake(SELECTS, op[o].result)
    :: else ->
        owed--;
        free_op(o)
    fi
}

inline op_complete(o, with)
{
    dequeue(o);
    op_set_state(o, OP_DONE);
    op[o].result = with;
    done(o)
}

inline op_complete_later(o, with)
{
    dequeue(o);
    op_set_state(o, OP_DONE);
    op[o].result = with;
    op[o].over = true
}

inline settle()
{
    at = 0;
    do
    :: at < OPS && op[at].over ->
        op[at].over = false;
        done(at);
        at++
    :: at < OPS && !op[at].over -> at++
    :: else -> break
    od;
    at = 0
}

#define something_over() (op[0].over || op[1].over || op[2].over)
#define something_named() (op[0].named || op[1].named || op[2].named)

/* --- Taking a unit: the one act that cannot be taken back ------------------------------------ */

inline take_unit(o)
{
    assert(op[o].alive);         /* the buffer is there */
    assert(op[o].file == file);  /* nobody gets what came for another file */
    assert(op[o].state != OP_DONE);
    data--;
    taken++
}

inline readiness_try(o)
{
    if
    :: closed -> tried = BADF
    :: !closed && data == 0 -> tried = NOTHING
    :: !closed && data > 0 && is_poll(o) -> tried = READY
    :: else ->
        take_unit(o);
        tried = MOVED
    fi
}

/* --- The engine: submit, cancel, forget ------------------------------------------------------ */

#ifndef COMPLETION

/* An edge for what is owned, else a one-shot. Whoever arms is told what is there already. */
inline arm()
{
    armed = owned || queued > 0;
#ifndef MUTANT_edge_missed
    edge = edge || (owned && data > 0)
#endif
}

inline evict()
{
    do
    :: queued > 0 ->
        first = queue[0];
        op_complete_later(first, BADF)
    :: else -> break
    od;
    armed = false;
    first = 0
}

/* Nobody overtakes: who comes later is not tried. */
inline submit(o)
{
    if
    :: closing -> tried = BADF
    :: else ->
        if
        :: changed() -> evict()
        :: else
        fi;
        find_transfer();
        if
        :: is_poll(o) || first == NOBODY -> readiness_try(o)
        :: else
        fi;
        first = 0;
        if
        :: tried != NOTHING -> op_set_state(o, OP_DONE)
        :: else
        fi
    fi
}

inline queue_and_arm(o)
{
    if
    :: tried == NOTHING ->
        if
        :: queued == 0 -> identity = file
        :: else
        fi;
        enqueue(o);
        op[o].pending = true;
        arm()
    :: else
    fi
}

inline cancel(o)
{
    withdrawn = op[o].state == OP_QUEUED;
    if
    :: withdrawn ->
        dequeue(o);
        op_set_state(o, OP_DONE);
        arm()
    :: else
    fi
}

inline forget()
{
    armed = false;
    edge = false
}

#else

inline evict()
{
    at = 0;
    first = 0;
    do
    :: first < OPS && op[first].state == OP_QUEUED -> op_complete_later(first, BADF); first++
    :: first < OPS && op[first].state == OP_KERNEL ->
        op[first].evicted = true;
        op_set_state(first, OP_CANCELLING);
        first++
    :: first < OPS && op[first].state == OP_CANCELLING ->
        op[first].evicted = true;
        first++
    :: first < OPS && (op[first].state == OP_IDLE || op[first].state == OP_DONE) -> first++
    :: else -> break
    od;
    dirty = true;
    first = 0
}

inline submit(o)
{
    if
    :: closed -> tried = BADF
    :: else ->
        if
        :: changed() -> evict(); identity = file
        :: else
        fi;
        if
        :: closing -> tried = BADF
        :: else
        fi
    fi
}

inline queue_and_arm(o)
{
    if
    :: tried == NOTHING ->
        if
        :: queued == 0 -> identity = file
        :: else
        fi;
        enqueue(o);
        op[o].pending = true;
        dirty = true
    :: else
    fi
}

/* To cancel what the kernel has is to ask for it. */
inline cancel(o)
{
    withdrawn = op[o].state == OP_QUEUED;
    if
    :: op[o].state == OP_KERNEL ->
        op_set_state(o, OP_CANCELLING);
        dirty = true
    :: withdrawn ->
        dequeue(o);
        op_set_state(o, OP_DONE)
    :: else
    fi
}

inline forget()
{
    at = 0;
    do
    :: at < queued && op[queue[at]].state == OP_KERNEL ->
        first = queue[at];
        op_set_state(first, OP_CANCELLING);
        at++
    :: at < queued && op[queue[at]].state != OP_KERNEL -> at++
    :: else -> break
    od;
    at = 0;
    first = 0;
    dirty = something_named()
}

#endif

/* --- A waiting call (operation.c; select.c over net's readiness.c) --------------------------- */

/* Frees the operation of a select, or leaves that to its done(). */
inline poll_stop(o)
{
    op[o].heard = false;
    withdrawn = !op[o].pending;
    if
    :: op[o].pending -> cancel(o)
    :: else
    fi;
    if
#ifndef MUTANT_not_owed
    :: !withdrawn -> owed++
#endif
    :: else ->
        free_op(o)
    fi
}

/* weft__wait_cancel and the abort function; a select withdraws and is over. */
inline wait_cancel(i)
{
    if
    :: wait[i].state == WAIT_PARKED && wait[i].abort ->
        wait[i].abort = false;
        wait_set_state(i, WAIT_ABORTING);
        if
        :: current[i] == i ->
            cancel(i);
            op[i].pending = op[i].pending && !withdrawn
#ifdef MUTANT_freed_early
            ; withdrawn = true
#endif
        :: else ->
            poll_stop(current[i]);
            withdrawn = true
        fi;
        if
        :: withdrawn -> weft_wake(i, CANCELED)
        :: else
        fi;
        withdrawn = false
    :: else
    fi
}

/* weft_wait_begin was passed: submits, and parks if it is not over at once. */
inline begin_call(i)
{
    wait_init(i);
    op[current[i]].file = file;
    op[current[i]].alive = true;
    op[current[i]].heard = is_poll(current[i])
}

inline park(i)
{
    if
    :: tried == READY && is_poll(current[i]) ->
        /* weft_poll_start wakes at once; the park that follows finds it so. */
        weft_wake(i, READY);
        runnable[i] = true
    :: tried == NOTHING ->
        wait[i].abort = true;
        wait_set_state(i, WAIT_PARKED);
        if
        :: refuse[i] -> wait_cancel(i)
        :: else
        fi
    :: else -> result = tried
    fi;
    tried = NOTHING
}

inline resume(i)
{
    runnable[i] = false;
    assert(wait[i].state == WAIT_WOKEN);
    result = wait[i].result;
    if
    :: current[i] == HEAP && op[HEAP].heard -> poll_stop(HEAP)
    :: else
    fi;
    withdrawn = false
}

/* The call returns: its frame, and with it operation and buffer, are gone. */
inline call_returns(i)
{
    assert(result != UNSERVED);
    assert(!op[i].alive || (!op[i].pending && !op[i].named && !op[i].over));
    if
    :: result == MOVED -> taken--
    :: else
    fi;
    free_op(i);
    wait_init(i);
    current[i] = 0;
    result = NOTHING;
    round++
}

/* Nothing of the loop's thread runs between the try and the arming, but the world does. */
#ifdef COMPLETION
#define THE_WORLD_GOES_ON
#else
#define THE_WORLD_GOES_ON }; atomic {
#endif

proctype task(byte i)
{
    byte round, result;
    do
    :: round < (i == SELECTS -> ROUNDS : 1) ->
        atomic {
            !busy -> busy = true;
            if
            :: refuse[i] -> result = CANCELED
            :: else ->
                /* A transfer, or a select unless the operation of the one before is owed. */
                if
                :: current[i] = i
                :: i == SELECTS && !op[HEAP].alive -> current[i] = HEAP
                fi;
                d_step { begin_call(i); submit(current[i]) }
            fi;
            THE_WORLD_GOES_ON
            d_step {
                if
                :: result == NOTHING -> queue_and_arm(current[i]); park(i)
                :: else
                fi;
                if
                :: result != NOTHING -> call_returns(i)
                :: else
                fi;
                busy = false
            }
        };
        atomic {
            !busy && (runnable[i] || wait[i].state == WAIT_INIT) ->
            d_step {
                if
                :: runnable[i] -> resume(i); call_returns(i)
                :: else
                fi
            }
        }
    :: else -> break
    od;
    finished++
}

/* --- Who ends it: cancellation, a deadline, close (cancel.c, watch.c) ------------------------ */

/* weft__scope_cancel; a deadline that is due is another who calls it. */
proctype canceller(byte i)
{
    if
    :: !cancels
    :: else ->
        atomic { !busy -> busy = true };
        d_step {
            refuse[i] = true;
            wait_cancel(i);
            wait_cancel(i);      /* once more makes no difference, */
            wait_cancel(CLOSER); /* and neither does it to a close */
            busy = false
        }
    fi
}

inline close_entry()
{
    assert(queued == 0 && !something_named());
    closed = true;
    closing = false;
    file++;
    data = 0
}

inline refuse_queued()
{
    first = 0;
    do
    :: first < OPS && op[first].state == OP_QUEUED -> op_complete(first, BADF); first++
    :: first < OPS && op[first].state != OP_QUEUED -> first++
    :: else -> break
    od;
    first = 0
}

proctype closer()
{
    atomic { !busy && (!late || finished == TASKS) -> busy = true };
    d_step {
        wait_init(CLOSER);
        closing = true;
        refuse_queued();
        forget();
        if
#ifndef MUTANT_close_hurries
        :: something_named() ->
            closer_waits = true;
            wait_set_state(CLOSER, WAIT_PARKED)
#endif
        :: else ->
            close_entry();
            wait_set_state(CLOSER, WAIT_WOKEN);
            runnable[CLOSER] = true
        fi;
        busy = false
    };
    atomic { runnable[CLOSER] -> assert(closed) }
}

/* --- The loop's turn ------------------------------------------------------------------------- */

#ifndef COMPLETION

inline serve_polls()
{
    do
    :: queued > 0 && is_poll(queue[0]) && data > 0 ->
        first = queue[0];
        op_complete(first, READY)
    :: else -> break
    od;
    first = 0
}

inline serve_transfers()
{
    find_transfer();
    do
    :: first != NOBODY ->
        readiness_try(first);
        if
        :: tried == NOTHING -> break
        :: else ->
            op_complete(first, tried);
            tried = NOTHING;
            find_transfer()
        fi
    :: else -> break
    od;
    first = 0
}

#define told() (owned -> (armed && edge) : (armed && data > 0))

proctype turns()
{
end:
    do
    :: atomic { !busy && (something_over() || told()) -> busy = true };
        d_step {
            settle();
            if
            :: told() ->
                edge = false;
                armed = owned;
                if
#ifndef MUTANT_number_reused
                :: changed() -> evict()
#endif
                :: else ->
                    serve_polls();
                    serve_transfers()
                fi
            :: else
            fi
        };
        d_step {
            if
            :: !closed && queued > 0 -> arm()
            :: else
            fi;
            settle();
            busy = false
        }
    od
}

#else

/* The kernel answers a result; to a cancel only "there is no such request" is of interest. */
inline answer(o, with)
{
    results ! false, o, request[o].name, with;
    request[o].stage = NONE;
    request[o].name = 0;
    request[o].file = 0;
    request[o].polling = false;
    request[o].interrupted = false
}

inline ask_back(o)
{
    op[o].cancel_sent = true;
    if
    :: request[o].stage == WAITING -> answer(o, UNSERVED)
    :: request[o].stage == WORKER -> request[o].interrupted = true
    :: else ->
        results ! true, o, op[o].name, NOTHING;
        request[o].stage = (request[o].stage == BETWEEN -> WAITING : NONE)
    fi
}

inline start(o)
{
    assert(request[o].stage == NONE && op[o].alive && op[o].file == file);
    op[o].name++;
    op[o].named = true;
    request[o].stage = WAITING;
    request[o].name = op[o].name;
    request[o].file = file;
    request[o].polling = op[o].polling || is_poll(o);
    op_set_state(o, OP_KERNEL)
}

/* The first op that a request would be made for, or NOBODY. */
inline starts_something()
{
    at = 0;
    first = NOBODY;
    do
    :: at < queued && op[queue[at]].state == OP_QUEUED -> first = queue[at]; break
    :: at < queued && op[queue[at]].state != OP_QUEUED && is_poll(queue[at]) -> at++
    :: else -> break
    od;
    at = 0
}

/* Of a direction the readiness waits and the first transfer belong into the kernel. */
inline push()
{
    dirty = false;
    starts_something();
    if
#ifndef MUTANT_number_reused
    :: first != NOBODY && changed() -> evict()
#endif
    :: else
    fi;
    at = 0;
    do
    :: at < queued ->
        first = queue[at];
        if
        :: op[first].state == OP_QUEUED -> start(first)
        :: op[first].state == OP_CANCELLING && !op[first].cancel_sent -> ask_back(first)
        :: else
        fi;
        if
        :: is_poll(first) -> at++
        :: else -> break
        fi
    :: else -> break
    od;
    at = 0;
    first = 0
}

inline finish(o, with)
{
    if
    :: with == CANCELED && (op[o].evicted || closing) -> op_complete(o, BADF)
    :: else -> op_complete(o, with)
    fi
}

inline give_again(o)
{
    op[o].polling = !is_poll(o);
    op_set_state(o, OP_QUEUED)
}

/* What is ready may be an older file: then nobody touches the one that has the number now. */
inline after_polling(o, with)
{
    if
#ifndef MUTANT_another_file_read
    :: changed() -> evict()
#endif
    :: else
    fi;
    if
    :: op[o].state == OP_CANCELLING -> finish(o, CANCELED)
    :: else ->
        if
        :: with != UNSERVED -> readiness_try(o)
        :: else
        fi;
        if
        :: tried == NOTHING -> give_again(o)
        :: else -> finish(o, tried)
        fi;
        tried = NOTHING
    fi
}

inline after_request(o, with)
{
    if
#ifdef MUTANT_cancel_overtakes
    :: op[o].state == OP_CANCELLING -> finish(o, CANCELED)
#endif
    :: op[o].state == OP_CANCELLING && with == UNSERVED -> finish(o, CANCELED)
    :: op[o].state != OP_CANCELLING && with == UNSERVED -> give_again(o)
    :: else -> finish(o, with)
    fi
}

inline close_if_last()
{
    if
    :: closer_waits && !something_named() ->
        closer_waits = false;
        close_entry();
        weft_wake(CLOSER, BADF)
    :: else
    fi
}

/* A name that nobody has any more is ignored. */
inline operation_result(o, name, with)
{
    if
    :: op[o].named && op[o].name == name ->
        assert(op[o].alive);
        op[o].named = false;
        op[o].cancel_sent = false;
        if
        :: op[o].polling ->
            op[o].polling = false;
            after_polling(o, with)
        :: else -> after_request(o, with)
        fi;
        dirty = dirty || queued > 0;
        close_if_last()
    :: else
    fi
}

/* A request to cancel found nothing; what it looked for may be there all the same. */
inline cancel_missed(o, name)
{
    if
    :: op[o].named && op[o].name == name && op[o].state == OP_CANCELLING ->
#ifndef MUTANT_not_asked_again
        op[o].cancel_sent = false;
        dirty = true
#endif
    :: else
    fi
}

proctype turns()
{
    byte o, name, with;
    bool of_cancel;
end:
    do
    :: atomic { !busy && (dirty || something_over() || nempty(results)) -> busy = true };
        d_step { push(); settle() };
        d_step {
            do
            :: nempty(results) ->
                results ? of_cancel, o, name, with;
                if
                :: of_cancel -> cancel_missed(o, name)
                :: else -> operation_result(o, name, with)
                fi
            :: empty(results) -> break
            od;
            o = 0;
            name = 0;
            with = 0;
            of_cancel = false;
            busy = false
        }
    od
}

/* --- The kernel's side of one operation ------------------------------------------------------ */

#define can_take(o) (data > 0 && request[o].file == file)

proctype kernel(byte o)
{
end:
    do
    :: d_step {
            request[o].stage != NONE && can_take(o) && !request[o].polling ->
            take_unit(o);
            answer(o, MOVED)
        }
    :: d_step { request[o].stage != NONE && can_take(o) && request[o].polling -> answer(o, READY) }
    :: d_step {
            request[o].stage == WAITING && hitches > 0 ->
            hitches--;
            answer(o, UNSERVED)
        }
    :: d_step {
            request[o].stage == WAITING && hitches > 0 ->
            hitches--;
            request[o].stage = BETWEEN
        }
    :: d_step { request[o].stage == BETWEEN -> request[o].stage = WAITING }
    :: d_step {
            request[o].stage == WAITING && hitches > 0 && !is_poll(o) ->
            hitches--;
            request[o].stage = WORKER
        }
    :: d_step { request[o].stage == WORKER && request[o].interrupted -> answer(o, UNSERVED) }
    od
}

#endif

/* --- The world ------------------------------------------------------------------------------- */

proctype peer()
{
    byte more = UNITS;
    do
    :: more > 0 ->
        d_step {
            more--;
            data++;
            edge = edge || (owned && armed)
        }
    :: else -> break
    od
}

/* Closes the number and opens another file under it; only what is not owned. On the same thread. */
proctype stranger()
{
    if
    :: !strange
    :: else ->
        atomic { !busy -> busy = true };
        d_step {
            if
            :: !closed ->
                file++;
                data = 0;
                armed = false
            :: else
            fi;
            busy = false
        }
    fi
}

init
{
    byte i;
    atomic {
        /* Nobody cancels, and everybody gets his unit; cancel meets close; cancel meets a stranger. */
        if
        :: late = true; owned = true
        :: cancels = true; owned = true
#ifndef COMPLETION
        :: late = true
        :: cancels = true
#endif
        :: cancels = true; late = true; strange = true
        fi;
        for (i : 0 .. TASKS - 1) {
            run task(i);
            run canceller(i)
        }
        i = 0;
        run closer();
        run peer();
        run stranger();
        run turns();
#ifdef COMPLETION
        for (i : 0 .. OPS - 1) {
            run kernel(i)
        }
        i = 0
#endif
    };
    /* Nothing that happened is lost, and nothing is left. */
    finished == TASKS && closed && owed == 0;
    assert(taken == 0 && queued == 0 && !something_over() && !something_named())
}

/* SPDX-License-Identifier: MIT */
/*
 * program.c: which file a program is, and its environment
 *
 * A name without a "/" is looked for in the PATH that the process gets, as execvpe(3) looks in
 * ours; the child tries the files one after the other, so that nothing is asked twice. Everything
 * is laid out before the process is made, because nothing can be allocated in it.
 *
 * The environment is ours with changes, or the changes alone. Of several settings of one name the
 * last counts.
 */
#include "os/process/process.h"

#include <string.h>

/** Where programs are looked for when no PATH is set. */
#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"

extern char **environ;

/* The environment. */

static size_t count_of(const char *const *list)
{
    size_t count = 0;
    while (list && list[count])
        count++;
    return count;
}

static size_t name_length(const char *setting)
{
    return strcspn(setting, "=");
}

static bool same_name(const char *a, const char *b)
{
    size_t len = name_length(a);
    return len == name_length(b) && memcmp(a, b, len) == 0;
}

/** Puts a setting in the place of an older one, or at the end; a name alone takes it out. */
static size_t change(const char **list, size_t count, const char *setting)
{
    size_t i = 0;
    while (i < count && !same_name(list[i], setting))
        i++;
    if (strchr(setting, '=')) {
        list[i] = setting;
        return i == count ? count + 1 : count;
    }
    if (i == count)
        return count;
    list[i] = list[count - 1];
    return count - 1;
}

static int make_environment(struct weft_loop *loop, const struct weft_process_options *options,
                            struct weft__program *ret)
{
    bool clean = options->flags & WEFT_PROCESS_CLEAN_ENVIRONMENT;
    const char *const *ours = clean ? NULL : (const char *const *)(uintptr_t)environ;
    size_t own = count_of(ours), more = count_of(options->environment);
    if (more == 0 && !clean)
        return 0;
    const char **list = weft_loop_realloc(loop, NULL, (own + more + 1) * sizeof *list);
    if (!list)
        return -ENOMEM;
    size_t count = own;
    for (size_t i = 0; i < own; i++)
        list[i] = ours[i];
    for (size_t i = 0; i < more; i++)
        count = change(list, count, options->environment[i]);
    list[count] = NULL;
    ret->environment = ret->environment_memory = list;
    return 0;
}

/* The files. */

static const char *path_of(const struct weft__program *program)
{
    if (!program->environment)
        return weft_sys_default.getenv(&weft_sys_default, "PATH");
    for (const char *const *setting = program->environment; *setting; setting++)
        if (strncmp(*setting, "PATH=", 5) == 0)
            return *setting + 5;
    return NULL;
}

static size_t count_directories(const char *path)
{
    size_t count = 1;
    for (; *path; path++)
        count += *path == ':';
    return count;
}

/** Writes "directory/program"; an empty directory is the working one. Returns behind it. */
static char *join(char *at, const char *directory, size_t len, const char *program)
{
    size_t program_size = strlen(program) + 1;
    memcpy(at, directory, len);
    if (len > 0)
        at[len++] = '/';
    memcpy(at + len, program, program_size);
    return at + len + program_size;
}

static int search(struct weft_loop *loop, const char *program, struct weft__program *ret)
{
    const char *path = path_of(ret);
    if (!path)
        path = DEFAULT_PATH;
    size_t count = count_directories(path);
    size_t size = (count + 1) * sizeof(char *) + strlen(path) + count * (strlen(program) + 2);
    const char **list = weft_loop_realloc(loop, NULL, size);
    if (!list)
        return -ENOMEM;
    char *at = (char *)(list + count + 1);
    for (size_t i = 0; i < count; i++) {
        size_t len = strcspn(path, ":");
        list[i] = at;
        at = join(at, path, len, program);
        path += len + 1;
    }
    list[count] = NULL;
    ret->paths = ret->paths_memory = list;
    return 0;
}

static int take_as_it_is(struct weft_loop *loop, const char *program, struct weft__program *ret)
{
    const char **list = weft_loop_realloc(loop, NULL, 2 * sizeof *list);
    if (!list)
        return -ENOMEM;
    list[0] = program;
    list[1] = NULL;
    ret->paths = ret->paths_memory = list;
    return 0;
}

int weft__program_prepare(struct weft_loop *loop, const char *program,
                          const struct weft_process_options *options, struct weft__program *ret)
{
    *ret = (struct weft__program){NULL, NULL, NULL, NULL};
    int rc = make_environment(loop, options, ret);
    if (rc == 0)
        rc = strchr(program, '/') || !program[0] ? take_as_it_is(loop, program, ret)
                                                 : search(loop, program, ret);
    if (rc < 0)
        weft__program_free(loop, ret);
    return rc;
}

void weft__program_free(struct weft_loop *loop, struct weft__program *program)
{
    (void)weft_loop_realloc(loop, program->environment_memory, 0);
    (void)weft_loop_realloc(loop, program->paths_memory, 0);
    program->environment_memory = program->paths_memory = NULL;
}

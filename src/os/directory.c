/* SPDX-License-Identifier: MIT */
/*
 * directory.c: listing a directory
 *
 * The kernel's own records (getdents64) are read into a buffer, some hundred names in one call off
 * the loop's thread, and handed out one by one. readdir(3) would do the same behind a lock and an
 * allocation of its own, on whichever thread called it.
 *
 * Sorting, patterns and descending are the caller's, and so is asking again for a name whose type
 * the file system does not tell.
 */
#include "os/file_call.h"

#include <stddef.h>
#include <string.h>
#include <weft/loop.h>
#include <weft/net.h>
#include <weft/wait.h>

/** Room for the records of one call. */
#define BUFFER_SIZE ((size_t)32 << 10)

/** One record, as the kernel writes it; `name` and its final 0 follow. */
struct record {
    /** The inode. */
    uint64_t inode;
    /** Where the next one is in the directory. */
    int64_t offset;
    /** Bytes up to the next record. */
    uint16_t len;
    /** DT_...: the file type's four bits of st_mode. */
    uint8_t type;
};

/** Where the name begins: the struct has padding behind its last member. */
#define NAME_OFFSET (offsetof(struct record, type) + 1)

struct weft_directory {
    /** The loop, whose memory this is. */
    struct weft_loop *loop;
    /** The descriptor. */
    int fd;
    /** Bytes of records in the buffer. */
    size_t used;
    /** Where the next one begins. */
    size_t next;
    /** The records. */
    char buf[BUFFER_SIZE];
};

int weft_directory_open(const char *path, struct weft_directory **ret)
{
    struct weft_loop *loop = weft_loop_current();
    int fd = weft_file_open(path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return fd;
    struct weft_directory *directory = weft_loop_realloc(loop, NULL, sizeof *directory);
    if (!directory) {
        (void)weft_close(fd);
        return -ENOMEM;
    }
    directory->loop = loop;
    directory->fd = fd;
    directory->used = directory->next = 0;
    *ret = directory;
    return 0;
}

/** Reads more records: 1, 0 at the end, or an error. */
static int fill(struct weft_directory *directory)
{
    struct weft__file_call call = {.code = WEFT__FILE_LIST,
                                   .fd = directory->fd,
                                   .buf = directory->buf,
                                   .len = sizeof directory->buf};
    ssize_t n = weft__file_run(&call);
    if (n < 0)
        return (int)n;
    directory->used = (size_t)n;
    directory->next = 0;
    return n > 0;
}

static int is_dots(const char *name)
{
    return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

int weft_directory_next(struct weft_directory *directory, struct weft_directory_entry *ret)
{
    struct record record;
    const char *name;
    int rc = 0;
    /* Names from the buffer are a wait like the others: refused when cancelled, and counted. */
    if (directory->next < directory->used)
        rc = weft_wait_begin();
    if (rc < 0)
        return rc;
    do {
        if (directory->next >= directory->used && (rc = fill(directory)) <= 0)
            return rc;
        const char *at = directory->buf + directory->next;
        memcpy(&record, at, sizeof record);
        name = at + NAME_OFFSET;
        directory->next += record.len;
    } while (is_dots(name));
    *ret = (struct weft_directory_entry){
        .name = name, .type = (unsigned)record.type << 12, .inode = record.inode};
    return 1;
}

void weft_directory_close(struct weft_directory *directory)
{
    if (!directory)
        return;
    (void)weft_close(directory->fd);
    (void)weft_loop_realloc(directory->loop, directory, 0);
}

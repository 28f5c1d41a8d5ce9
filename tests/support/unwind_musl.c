/* SPDX-License-Identifier: MIT */
/*
 * unwind_musl.c: what Debian's libgcc asks of glibc, for programs that are linked with musl
 *
 * gcc's unwinder finds the tables of a program counter through _dl_find_object(3) of glibc 2.35
 * where it was built for that, as Debian's was, also in the copy that musl-gcc links. musl has
 * dl_iterate_phdr(3), which says the same more slowly. Empty with glibc.
 */
#define _GNU_SOURCE
#include <features.h>

#ifndef __GLIBC__
#include <link.h>
#include <stddef.h>
#include <stdint.h>

/** As glibc's <dlfcn.h> lays it down for machines whose tables need no base. */
struct dl_find_object {
    /** Nothing yet. */
    unsigned long long flags;
    /** The program's or library's addresses, and the first behind them. */
    void *start;
    void *end;
    /** Not used by the unwinder. */
    void *link_map;
    /** The table of tables (PT_GNU_EH_FRAME). */
    void *tables;
    /** Room for more. */
    void *reserved[7];
};

int _dl_find_object(void *pc, struct dl_find_object *ret);

/** What is looked for, and what was found. */
struct search {
    /** The program counter. */
    uintptr_t pc;
    /** Where it lies. */
    struct dl_find_object *ret;
};

/** One program or library; 1 ends the search. */
static int look(struct dl_phdr_info *info, size_t size, void *arg)
{
    const struct search *search = (const struct search *)arg;
    const ElfW(Phdr) *tables = NULL;
    int found = 0;

    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + part->p_vaddr;

        if (part->p_type == PT_GNU_EH_FRAME)
            tables = part;
        if (part->p_type == PT_LOAD && search->pc - start < part->p_memsz) {
            found = 1;
            search->ret->start = (void *)start;
            search->ret->end = (void *)(start + part->p_memsz);
        }
    }
    if (found && tables)
        search->ret->tables = (void *)(info->dlpi_addr + tables->p_vaddr);
    return found && tables;
}

int _dl_find_object(void *pc, struct dl_find_object *ret)
{
    struct search search = {(uintptr_t)pc, ret};

    *ret = (struct dl_find_object){0};
    return dl_iterate_phdr(look, &search) ? 0 : -1;
}
#endif

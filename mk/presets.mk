# SPDX-License-Identifier: MIT
#
# The presets: what each adds to the compiler's and the linker's flags. Warnings are errors in the
# presets that developers build; `release` and `valgrind` are also built by people with compilers
# that we have not seen, whose new warnings must not stop them.
#
#   preset_cflags       for every object
#   preset_ldflags      for every program, not for libweft.so
#   preset_so_ldflags   for libweft.so alone
#   preset_library_cflags   for the library's own objects
#   preset_wrapped_calls    calls of test programs that tests/support stands before

debug_flags := -g3 -fno-omit-frame-pointer -DWEFT_DEBUG=1
preset_so_ldflags := -Wl,-z,defs

ifeq ($(PRESET),dev)
preset_cflags := -O1 $(debug_flags) -Werror
else ifeq ($(PRESET),ucontext)
preset_cflags := -O1 $(debug_flags) -Werror -DWEFT_UCONTEXT=1
else ifeq ($(PRESET),release)
preset_cflags := -O2 -g -DNDEBUG
else ifeq ($(PRESET),amalgamation)
preset_cflags := -O2 -g -Werror
else ifeq ($(PRESET),valgrind)
preset_cflags := -O1 $(debug_flags) -DWEFT_VALGRIND=1
else ifeq ($(PRESET),asan)
sanitizers := -fsanitize=address,undefined -fno-sanitize-recover=all
preset_cflags := -O1 $(debug_flags) -Werror $(sanitizers)
preset_ldflags := $(sanitizers)
# The sanitizer's runtime comes with the program, so the shared library has undefined symbols and
# needs libc alone here too.
preset_so_ldflags :=
else ifeq ($(PRESET),tsan)
preset_cflags := -O1 $(debug_flags) -Werror -fsanitize=thread
preset_ldflags := -fsanitize=thread
preset_so_ldflags :=
else ifeq ($(PRESET),coverage)
# Only the library counts. Processes that end without exit(3) write their counts all the same: see
# tests/support/coverage.c.
preset_cflags := -O0 $(debug_flags) -Werror -DWEFT_COVERAGE=1
preset_library_cflags := --coverage -fprofile-update=atomic
preset_ldflags := --coverage
preset_so_ldflags := --coverage
preset_wrapped_calls := _exit abort raise sigaction
else ifeq ($(PRESET),musl)
# The other C library, in static programs. Debian's musl-gcc looks into musl's own folder only, and
# that has no headers of the kernel; those come last, so that none of glibc's stands before musl's.
kernel_headers := $(patsubst %/asm/unistd.h,%,$(wildcard /usr/include/*-linux-gnu/asm/unistd.h))
preset_cflags := -O1 $(debug_flags) -Werror -idirafter /usr/include \
  $(addprefix -idirafter ,$(firstword $(kernel_headers)))
preset_ldflags := -static -Wl,--eh-frame-hdr
preset_so_ldflags :=
else
presets := dev release asan tsan valgrind ucontext amalgamation coverage musl
$(error PRESET=$(PRESET) is not one of $(presets))
endif

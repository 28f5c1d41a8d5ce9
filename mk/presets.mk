# SPDX-License-Identifier: MIT
#
# The presets: what each adds to the compiler's and the linker's flags. Warnings are errors in the
# presets that developers build; `release` and `valgrind` are also built by people with compilers
# that we have not seen, whose new warnings must not stop them.
#
#   preset_cflags       for every object
#   preset_ldflags      for every program, not for libweft.so
#   preset_so_ldflags   for libweft.so alone

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
else
$(error PRESET=$(PRESET) is not one of dev, release, asan, tsan, valgrind, ucontext, amalgamation)
endif

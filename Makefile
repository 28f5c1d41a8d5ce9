# SPDX-License-Identifier: MIT
#
# weft's only build file (GNU make 4.2 or newer; mk/ holds the presets).
#
# One non-recursive make builds everything that belongs to one preset: the library from every .c
# and .S below src, a program from every test_*.c below tests, every .c below examples and in
# bench/weft. Nothing is listed by hand. The commands a person types (test, demo) first run
# `tools/setup`, then call make again for the build they need. Paths are relative throughout, so
# the checkout may lie in a folder whose name has spaces, and two checkouts may build at once.
#
#   make [PRESET=dev|release|asan|tsan|valgrind|ucontext|amalgamation|coverage|musl]
#        [CC=gcc|clang] [MUTANT=name]
#   make MACHINE=aarch64|riscv64 [...]   for another machine; its tests run under qemu-user
#   make help

comma := ,
MAKEFLAGS += --no-builtin-rules --no-builtin-variables
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:

# MACHINE= is the one that we are on. Another is built for with Debian's cross compilers.
ifneq ($(filter-out aarch64 riscv64,$(MACHINE)),)
$(error MACHINE=$(MACHINE) is not one of aarch64, riscv64)
endif
tool_prefix := $(if $(MACHINE),$(MACHINE)-linux-gnu-)
# CC and AR of the environment and of the command line count; make's own defaults do not.
default_cc := $(if $(filter musl,$(PRESET)),musl-gcc,$(tool_prefix)gcc)
ifneq ($(filter default undefined,$(origin CC)),)
CC := $(default_cc)
endif
# The C++ compiler beside it, for the tests of exceptions.
ifneq ($(filter default undefined,$(origin CXX)),)
CXX := $(patsubst %clang,%clang++,$(patsubst %gcc,%g++,$(CC)))
endif
ifneq ($(filter default undefined,$(origin AR)),)
AR := $(tool_prefix)ar
endif
PYTHON ?= python3
PRESET ?= dev
SETUP ?= sh tools/setup

include mk/presets.mk

# build/dev, build/dev-clang, build/dev-aarch64, build/dev-mutant-lost_wake: one folder for each set
# of flags.
machine_suffix := $(if $(MACHINE),-$(MACHINE))
compiler_suffix := $(if $(filter-out gcc cc $(default_cc),$(notdir $(CC))),-$(notdir \
  $(lastword $(CC))))
mutant_suffix := $(if $(MUTANT),-mutant-$(MUTANT))
B := build/$(PRESET)$(machine_suffix)$(compiler_suffix)$(mutant_suffix)

warnings := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wvla \
  -Wcast-qual
# Unwind tables are the default on x86-64 and aarch64, but not in gcc 12 for RISC-V.
common_flags := -std=gnu11 $(warnings) $(preset_cflags) -fasynchronous-unwind-tables -pthread \
  -MMD -MP
common_flags += $(if $(MUTANT),-DWEFT_MUTANT_$(MUTANT)=1)
# initial-exec: a thread-local variable is one load away, and libweft.so needs nothing of the
# dynamic linker (__tls_get_addr); its few words fit what libc keeps for libraries opened later.
library_flags := $(common_flags) $(preset_library_cflags) -fPIC -fvisibility=hidden \
  -ftls-model=initial-exec -Iinclude -Isrc $(CFLAGS)
test_flags := $(common_flags) -Iinclude -Isrc -Itests/support $(CFLAGS)
cpp_test_flags := $(filter-out -std=gnu11 -Wstrict-prototypes -Wmissing-prototypes,$(test_flags)) \
  -std=gnu++17
user_flags := $(common_flags) -Iinclude $(CFLAGS)
link_flags := $(preset_ldflags) -pthread $(LDFLAGS)
# tests/support/leaks.c counts what passes through these.
wrapped_calls := malloc calloc realloc free mmap munmap $(preset_wrapped_calls)
test_link_flags := $(addprefix -Wl$(comma)--wrap=,$(wrapped_calls)) $(link_flags)
# A static libc is not to be wrapped with the rest, so ours is first linked for itself.
ifneq ($(filter -static,$(preset_ldflags)),)
link_test = $(CC) -r -nostdlib -o $(1).o $(2) $(filter -Wl%,$(test_link_flags)) && \
  $(CC) -o $(1) $(1).o $(link_flags)
else
link_test = $(CC) -o $(1) $(2) $(test_link_flags)
endif
version_script := $(wildcard src/weft.map)

# Everything is found by its name; LC_ALL makes the order the same everywhere.
find_files = $(sort $(shell [ ! -d $(1) ] || LC_ALL=C find $(1) -type f -name '$(2)'))

library_sources := $(call find_files,src,*.c) $(call find_files,src,*.S)
library_objects := $(if $(filter amalgamation,$(PRESET)),$(B)/obj/weft.c.o,\
  $(patsubst %,$(B)/obj/%.o,$(library_sources)))
support_objects := $(patsubst %,$(B)/obj/%.o,$(wildcard tests/support/*.c))
test_programs := $(patsubst %.c,$(B)/%,$(call find_files,tests,test_*.c))
# Debian has no C++ library for musl.
cpp_test_programs := $(if $(filter-out musl,$(PRESET)),$(patsubst %.cpp,$(B)/%,\
  $(call find_files,tests,test_*.cpp)))
# An example is one file; where a folder has its name (examples/demo.c, examples/demo/), the .c
# files in it are parts of that program.
example_sources := $(call find_files,examples,*.c)
is_part = $(wildcard $(patsubst %/,%,$(dir $(1))).c)
example_parts := $(foreach source,$(example_sources),$(if $(call is_part,$(source)),$(source)))
example_programs := $(patsubst %.c,$(B)/%,$(filter-out $(example_parts),$(example_sources)))
parts_of = $(patsubst %,$(B)/obj/%.o,$(filter examples/$(1)/%,$(example_parts)))
bench_programs := $(patsubst bench/weft/%.c,$(B)/bench/%,$(wildcard bench/weft/*.c))
static_library := $(B)/libweft.a
shared_library := $(B)/libweft.so.0

.PHONY: all library tests examples benches
all: library examples
library: $(static_library) $(B)/libweft.so
tests: library $(test_programs) $(cpp_test_programs)
examples: library $(example_programs)
benches: library $(bench_programs)
# Without a recipe make would say that there was nothing to do.
all library tests examples benches: ; @:

# --- Compiling. Every object depends on the build files, so that changed flags rebuild it. --------

build_files := Makefile $(wildcard mk/*.mk)

$(B)/obj/src/%.c.o: src/%.c $(build_files)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(library_flags) -c $< -o $@

$(B)/obj/src/%.S.o: src/%.S $(build_files)
	@mkdir -p $(@D)
	$(call say,AS,$<)
	$(Q)$(CC) $(library_flags) -Wa,--noexecstack -c $< -o $@

$(B)/obj/tests/%.c.o: tests/%.c $(build_files)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(test_flags) -c $< -o $@

$(B)/obj/tests/%.cpp.o: tests/%.cpp $(build_files)
	@mkdir -p $(@D)
	$(call say,CXX,$<)
	$(Q)$(CXX) $(cpp_test_flags) -c $< -o $@

$(B)/obj/%.c.o: %.c $(build_files)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(user_flags) -c $< -o $@

# --- Linking --------------------------------------------------------------------------------------

# An archive keeps members whose sources are gone, so it is made anew each time. The list of sources
# is a prerequisite too: a removed file changes the list and nothing else.
$(static_library): $(library_objects) $(B)/sources.list
	@mkdir -p $(@D)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) qcs $@ $(library_objects)

$(shared_library): $(library_objects) $(version_script) $(B)/sources.list
	$(call say,LD,$@)
	$(Q)$(CC) -shared -Wl,-soname,libweft.so.0 \
	  $(addprefix -Wl$(comma)--version-script=,$(version_script)) $(preset_so_ldflags) \
	  -Wl,--as-needed -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack \
	  -o $@ $(library_objects) -pthread $(LDFLAGS)

$(B)/libweft.so: $(shared_library)
	$(Q)ln -sf libweft.so.0 $@

.PHONY: FORCE
$(B)/sources.list: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' $(library_sources) | cmp -s - $@ || printf '%s\n' $(library_sources) > $@

$(test_programs): $(B)/tests/%: $(B)/obj/tests/%.c.o $(support_objects) $(static_library)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(call link_test,$@,$< $(support_objects) $(static_library))

$(cpp_test_programs): $(B)/tests/%: $(B)/obj/tests/%.cpp.o $(support_objects) $(static_library)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CXX) -o $@ $< $(support_objects) $(static_library) $(test_link_flags)

.SECONDEXPANSION:
$(example_programs): $(B)/examples/%: $(B)/obj/examples/%.c.o $$(call parts_of,$$*) \
    $(static_library)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -o $@ $^ $(link_flags)

$(bench_programs): $(B)/bench/%: $(B)/obj/bench/weft/%.c.o $(static_library)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -o $@ $< $(static_library) $(link_flags)

-include $(shell [ ! -d $(B)/obj ] || find $(B)/obj -name '*.d')

# --- Commands -------------------------------------------------------------------------------------

# A make that was not told -j uses all processors for the builds it starts itself.
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
# Of two commands at once in one folder the second waits until the first has built.
build_lock := $(if $(shell command -v flock),flock build/lock )
submake = mkdir -p build && $(build_lock)$(MAKE) --no-print-directory \
  $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(JOBS))
run_tests = $(PYTHON) tools/run_tests.py --build $(B) --preset $(PRESET) --cc '$(CC)' \
  $(if $(ENGINE),--engine '$(ENGINE)') $(if $(TEST),--test '$(TEST)') $(machine_options)
# Another machine's programs run in an emulator; the scripts look at tools and pages, not at these.
foreign := $(firstword $(MACHINE) $(filter musl,$(PRESET)))
machine_options := $(if $(foreign),--machine $(foreign) --binaries-only) \
  $(if $(MACHINE),--wrapper 'qemu-$(MACHINE) -L /usr/$(MACHINE)-linux-gnu')
# What `make test` needs installed.
test_group := $(if $(foreign),cross,test)

.PHONY: test demo bench bench-setup instructions model coverage tidy format format-check mutants
.PHONY: seeds man clean help
test:
	@$(SETUP) $(test_group)
	@$(submake) tests examples
	@$(run_tests)

demo:
	@$(SETUP) demo
	@$(submake) PRESET=release MUTANT= library examples
	@build/release$(compiler_suffix)/examples/demo

# Installs nothing: peers that are absent are named, with the command that installs them.
bench:
	@$(submake) PRESET=release MUTANT= library benches
	@$(PYTHON) bench/run.py --bin build/release$(compiler_suffix)/bench \
	  $(if $(BENCH),--only '$(BENCH)') $(if $(ROUNDS),--rounds '$(ROUNDS)') \
	  $(if $(SYSTEMS),--systems '$(SYSTEMS)')

bench-setup:
	@$(SETUP) bench

instructions:
	@$(submake) PRESET=release MUTANT= library benches
	@$(PYTHON) bench/instructions.py --cc '$(CC)' \
	  --bin build/release$(compiler_suffix)/bench/count \
	  $(if $(TEST),--only '$(TEST)') $(if $(UPDATE),--update)

# The model of a waiting call against the code's tables; see docs/design/model.
model:
	@$(SETUP) model
	@$(PYTHON) tools/model.py

# The compiled tests alone: the scripts build programs of their own, or look at tools and pages.
coverage:
	@$(SETUP) test
	@$(submake) PRESET=coverage CC=gcc MUTANT= library tests
	@$(PYTHON) tools/coverage.py $(if $(REPORT),--no-run)

tidy:
	@$(submake) library
	@$(PYTHON) tools/tidy.py --build $(B)

mutants:
	@$(PYTHON) tools/mutants.py --cc '$(CC)' $(if $(TEST),--only '$(TEST)')

# SEEDS is the number of schedules for each scenario; the test command runs a few hundred.
SEEDS ?= 100000
seeds:
	@$(submake) tests
	@WEFT_SEEDS=$(SEEDS) $(run_tests) --folder tests/sim --timeout 7200

formatted_folders := include src tests examples bench
formatted_files = $(foreach folder,$(formatted_folders),$(call find_files,$(folder),*.[ch]))
format:
	@clang-format -i $(formatted_files)

format-check:
	@clang-format --dry-run -Werror $(formatted_files)

# Read one without installing: man -l build/man/man3/weft_scope_exit.3
man:
	@rm -rf build/man
	@$(PYTHON) tools/man.py

include mk/install.mk
include mk/amalgamation.mk

clean:
	rm -rf build

help:
	@sed -n '/^#   make/s/^# //p' Makefile
	@echo '  make test [ENGINE=epoll|poll|io_uring|sim] [TEST=pattern]   run the tests'
	@echo '  make demo        the main demonstration, over real sockets'
	@echo '  make bench [BENCH=switch,queue] [ROUNDS=5] [SYSTEMS=weft,go]   measure; see build/bench'
	@echo '  make bench-setup install the peers that make bench compares with'
	@echo '  make instructions [UPDATE=1]   compare instruction counts with those committed'
	@echo '  make model       search every order of what can meet a waiting call (spin)'
	@echo '  make coverage [REPORT=1]   what of src the tests run through (REPORT: of the last run)'
	@echo '  make tidy        the rules of the source tree'
	@echo '  make format      clang-format in place; format-check only looks'
	@echo '  make mutants     build each planted bug and see that a test catches it'
	@echo '  make seeds       long runs of seeded schedules (SEEDS=$(SEEDS) for each scenario)'
	@echo '  make man         man pages from the headers, in build/man'
	@echo '  make amalgamation           the core as two files, in build/amalgamation'
	@echo '  make install [PREFIX=/usr/local] [DESTDIR=] [LIBDIR= INCLUDEDIR= MANDIR=]; uninstall'
	@echo '  make clean       remove build/'
	@echo 'V=1 prints the commands, -s nothing but errors; SETUP=true skips tools/setup.'

# --- Output ---------------------------------------------------------------------------------------

ifeq ($(V),1)
Q :=
say =
else ifneq ($(findstring s,$(filter-out -%,$(firstword $(MAKEFLAGS)))),)
Q := @
say =
else
Q := @
say = @printf '  %-4s %s\n' '$(1)' '$(2)'
endif

# SPDX-License-Identifier: MIT
#
# make install, make uninstall: the release build, the headers, the man pages, and what tells
# pkg-config and CMake of them. tools/install.py has the list of files, for both commands. The same
# variables must be given to both:
#
#   PREFIX       /usr/local; where the files are used
#   LIBDIR       $(PREFIX)/lib
#   INCLUDEDIR   $(PREFIX)/include
#   MANDIR       $(PREFIX)/share/man
#   DESTDIR      a folder put before all of these, for those who make packages

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man

# One word of the shell, whatever is in it.
quoted = '$(subst ','\'',$(1))'
run_install = $(PYTHON) tools/install.py --build build/release$(machine_suffix)$(compiler_suffix) \
  --destdir $(call quoted,$(DESTDIR)) --prefix $(call quoted,$(PREFIX)) \
  --libdir $(call quoted,$(LIBDIR)) --includedir $(call quoted,$(INCLUDEDIR)) \
  --mandir $(call quoted,$(MANDIR))

.PHONY: install uninstall
install:
	@$(submake) PRESET=release MUTANT= library man
	@$(run_install) install

uninstall:
	@$(submake) man
	@$(run_install) uninstall

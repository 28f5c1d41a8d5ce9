# SPDX-License-Identifier: MIT
#
# weft.h and weft.c: the core as two files, made by tools/amalgamate.py. `make amalgamation` writes
# them to build/amalgamation. With PRESET=amalgamation the library is that weft.c, compiled without
# a folder of ours to look into, and everything else is built on it as on any other library.

.PHONY: amalgamation
amalgamation:
	@$(PYTHON) tools/amalgamate.py --out build/amalgamation
	@echo 'build/amalgamation has weft.h and weft.c'

ifeq ($(PRESET),amalgamation)
$(B)/weft.c: $(library_sources) $(call find_files,src,*.h) $(call find_files,include,*.h) \
    tools/amalgamate.py tools/tidy.py tools/install.py $(B)/sources.list
	$(call say,MAKE,$@)
	$(Q)$(PYTHON) tools/amalgamate.py --out $(@D)

# In one file a parameter may have the name of a function that another source has for itself.
$(B)/obj/weft.c.o: $(B)/weft.c $(build_files)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(filter-out -I% -Wshadow,$(library_flags)) -c $< -o $@
endif

# SPDX-License-Identifier: MIT
# Writes revision.h at each build, so that a result never names a revision that it was not built from.
# The file is touched only when the revision changes. Outside a clone the revision is empty.
set(revision "")
set(dirty 0)
execute_process(COMMAND git --no-optional-locks rev-parse --show-toplevel
	WORKING_DIRECTORY ${SOURCE} OUTPUT_VARIABLE top RESULT_VARIABLE failed
	OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(failed EQUAL 0 AND top STREQUAL SOURCE)
	execute_process(COMMAND git --no-optional-locks rev-parse --short=12 HEAD
		WORKING_DIRECTORY ${SOURCE} OUTPUT_VARIABLE revision
		OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
	execute_process(COMMAND git --no-optional-locks status --porcelain --untracked-files=no
		WORKING_DIRECTORY ${SOURCE} OUTPUT_VARIABLE changes ERROR_QUIET)
	if(changes)
		set(dirty 1)
	endif()
endif()
file(CONFIGURE OUTPUT ${OUTPUT} @ONLY CONTENT [[
#define RECORD_REVISION "@revision@"
#define RECORD_DIRTY @dirty@
]])

# SPDX-License-Identifier: MIT
# Runs ${program} on ${backend}; fails unless it exits with 0 and prints what the file ${expected} holds.
execute_process(COMMAND ${program} ${backend} OUTPUT_VARIABLE output RESULT_VARIABLE result)
file(READ ${expected} wanted)
if(NOT result EQUAL 0 OR NOT output STREQUAL wanted)
	message(FATAL_ERROR "${program} ${backend} ended with ${result} and printed\n"
		"${output}\nexpected was exit code 0 and, as in ${expected},\n${wanted}")
endif()

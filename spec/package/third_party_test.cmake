# SPDX-License-Identifier: MIT
# Installs the project to a prefix, moves the prefix, and builds and judges the executors of a
# stranger against it: with CMake's package, and by hand with pkg-config.
function(run)
	execute_process(COMMAND ${ARGV} RESULT_VARIABLE result
		OUTPUT_VARIABLE output ERROR_VARIABLE output)
	list(JOIN ARGV " " command)
	if(NOT result EQUAL 0)
		message(FATAL_ERROR "${command}\nended with ${result}:\n${output}")
	endif()
	set(output "${output}" PARENT_SCOPE)
endfunction()

set(prefix ${directory}/moved)
file(REMOVE_RECURSE ${directory})
run(${CMAKE_COMMAND} --install ${build} --prefix ${directory}/installed)
file(RENAME ${directory}/installed ${prefix})
file(COPY ${source}/ DESTINATION ${directory}/source)

set(flags "")
if(sanitize)
	# Else ThreadSanitizer takes what the backend does without it for a race.
	set(flags "-fsanitize=${sanitize}")
endif()
run(${CMAKE_COMMAND} -S ${directory}/source -B ${directory}/build -G ${generator}
	-DCMAKE_C_COMPILER=${cc} -DCMAKE_CXX_COMPILER=${cxx} -DCMAKE_BUILD_TYPE=Release
	-DCMAKE_C_FLAGS=${flags} -DCMAKE_CXX_FLAGS=${flags} -DCMAKE_PREFIX_PATH=${prefix})
run(${CMAKE_COMMAND} --build ${directory}/build)
# The build against this project's own headers would prove nothing.
file(STRINGS ${directory}/build/CMakeCache.txt package REGEX "^assay_DIR:")
if(NOT package MATCHES "${prefix}/lib/cmake/assay")
	message(FATAL_ERROR "found another package: ${package}")
endif()
run(${CMAKE_CTEST_COMMAND} --test-dir ${directory}/build --output-on-failure)
message("${output}")

find_program(pkg_config pkg-config REQUIRED)
set(ENV{PKG_CONFIG_PATH} ${prefix}/lib/pkgconfig)
run(${pkg_config} --cflags --libs assay)
separate_arguments(options UNIX_COMMAND "${output} ${flags}")
run(${cc} -std=c11 -O2 -fPIC -shared -o ${directory}/by_hand.so ${directory}/source/simple_pool.c
	${options})
run(${cxx} -std=c++17 -O2 -fPIC -shared -o ${directory}/by_hand_too.so
	${directory}/source/wrapped_pool.cpp ${options})
run(${pkg_config} --variable=conform assay)
string(STRIP "${output}" conform)
run(${conform} run ${directory}/by_hand.so ${directory}/by_hand_too.so --clause SUB-*)

# The installed examples compile as they are, and find the installed backends.
run(${cc} -std=c11 -O2 -o ${prefix}/bin/square_and_cube
	${prefix}/share/doc/assay/examples/square_and_cube.c ${options})
run(${prefix}/bin/square_and_cube mutex_queue)
message("${output}")

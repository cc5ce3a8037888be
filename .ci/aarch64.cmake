# SPDX-License-Identifier: MIT
# Debian's cross compiler for aarch64, and its emulator of user programs. What ./assay test --aarch64
# installs is what this looks for.
foreach(program aarch64-linux-gnu-gcc aarch64-linux-gnu-g++ qemu-aarch64 prlimit)
	find_program(${program} ${program})
	if(NOT ${program})
		message(FATAL_ERROR "'${program}' is missing: ./assay test --aarch64 installs it")
	endif()
endforeach()

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER ${aarch64-linux-gnu-gcc})
set(CMAKE_CXX_COMPILER ${aarch64-linux-gnu-g++})
set(ENV{PKG_CONFIG_LIBDIR} /usr/lib/aarch64-linux-gnu/pkgconfig)

# The emulator keeps books of every page that a program maps, touched or not, and each fork copies
# them: 16 GiB for the pool of processes, or less where no file may be that long. Nor does it leave
# such memory out when it dumps a core.
set(CMAKE_CROSSCOMPILING_EMULATOR
	${prlimit};--fsize=134217728:;--core=0:;${qemu-aarch64})

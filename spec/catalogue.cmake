# SPDX-License-Identifier: MIT
# The chapters, in reading order. Each is <chapter>.md here and <chapter>.c in conformance/.
set(ASSAY_CHAPTERS
	submit configure initializer future cancel result callback wait as_completed map
	memory lifetime shutdown terminate broken tasks_per_worker boundary deadlock fork_join fork stress)
set_property(GLOBAL PROPERTY ASSAY_CHAPTERS ${ASSAY_CHAPTERS})

# The build makes them a part of the programs: what is said about a test is what it was built from.
set(embedded "#include \"catalogue.h\"\n")
set(table "")
set(sizes "")
foreach(chapter ${ASSAY_CHAPTERS})
	set(file ${CMAKE_CURRENT_SOURCE_DIR}/${chapter}.md)
	list(APPEND chapter_files ${file})
	string(APPEND embedded
		"extern const char text_of_${chapter}[], end_of_${chapter}[];\n"
		"__asm__(\".section .rodata\\n\"\n"
		"\t\".global text_of_${chapter}, end_of_${chapter}\\n\"\n"
		"\t\".hidden text_of_${chapter}, end_of_${chapter}\\n\"\n"
		"\t\"text_of_${chapter}: .incbin \\\"${file}\\\"\\n\"\n"
		"\t\"end_of_${chapter}: .byte 0\\n\"\n"
		"\t\".previous\\n\");\n")
	string(APPEND table
		"\t{\"${chapter}\", \"spec/${chapter}.md\", text_of_${chapter}, 0},\n")
	string(APPEND sizes
		"\tchapters[count++].size = (size_t)(end_of_${chapter} - text_of_${chapter});\n")
endforeach()
string(APPEND embedded
	"static struct chapter chapters[] = {\n${table}\t{0, 0, 0, 0},\n};\n"
	"const struct chapter *catalogue_chapters(size_t *number)\n{\n\tsize_t count = 0;\n\n"
	"${sizes}\t*number = count;\n\treturn chapters;\n}\n")
file(CONFIGURE OUTPUT chapters.c CONTENT "${embedded}" @ONLY)
set_property(SOURCE ${CMAKE_CURRENT_BINARY_DIR}/chapters.c
	PROPERTY OBJECT_DEPENDS "${chapter_files}")

# Shared by the programs: clauses, backends, and which others there could be.
add_library(assay_catalogue STATIC
	catalogue.c backends.c rivals.c ${CMAKE_CURRENT_BINARY_DIR}/chapters.c)
target_include_directories(assay_catalogue PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
target_link_libraries(assay_catalogue PUBLIC assay::assay PRIVATE assay_options)

add_executable(catalogue_test catalogue_test.c)
target_link_libraries(catalogue_test PRIVATE assay_options assay_catalogue)
add_test(NAME catalogue COMMAND catalogue_test)

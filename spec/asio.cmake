# SPDX-License-Identifier: MIT
# assay_asio: Asio without Boost, or else Boost's, which is the same library in another namespace. Not
# defined where there is neither.
find_path(ASIO_INCLUDE_DIR asio/thread_pool.hpp)
find_path(BOOST_ASIO_INCLUDE_DIR boost/asio/thread_pool.hpp)

if(ASIO_INCLUDE_DIR)
	add_library(assay_asio INTERFACE)
	target_include_directories(assay_asio SYSTEM INTERFACE ${ASIO_INCLUDE_DIR})
elseif(BOOST_ASIO_INCLUDE_DIR)
	foreach(header post thread_pool use_future version)
		file(CONFIGURE OUTPUT boost/asio/${header}.hpp @ONLY CONTENT [[
#include <boost/asio/@header@.hpp>
namespace boost { namespace asio {} }
namespace asio = boost::asio;
]])
	endforeach()
	add_library(assay_asio INTERFACE)
	target_include_directories(assay_asio SYSTEM INTERFACE
		${BOOST_ASIO_INCLUDE_DIR} ${CMAKE_CURRENT_BINARY_DIR}/boost)
	target_compile_definitions(assay_asio INTERFACE ASIO_VERSION=BOOST_ASIO_VERSION)
endif()

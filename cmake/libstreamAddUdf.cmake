# libstream_add_udf(<name> SOURCES <files...> [LIBS <libraries...>])
#
# Builds a UDF plugin: <name>.so in lib/libstream/udf, C11, hidden symbols, one exported symbol (ls_udf_entry_v1).
# A plugin sees the headers of libstream and links nothing of it; what it needs beside the C library is in LIBS.
include_guard(GLOBAL)

set(LIBSTREAM_UDF_MAP ${CMAKE_CURRENT_LIST_DIR}/libstream_udf.map)

function(libstream_add_udf name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBS")
  if(NOT arg_SOURCES)
    message(FATAL_ERROR "libstream_add_udf(${name}): SOURCES is missing")
  endif()
  set(target udf_plugin_${name})
  add_library(${target} MODULE ${arg_SOURCES})
  target_link_libraries(${target} PRIVATE libstream::headers ${arg_LIBS})
  set_target_properties(${target} PROPERTIES
    PREFIX "" OUTPUT_NAME ${name} SUFFIX ".so"
    C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF
    C_VISIBILITY_PRESET hidden
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib/libstream/udf
    LINK_DEPENDS ${LIBSTREAM_UDF_MAP})
  target_link_options(${target} PRIVATE -Wl,--version-script=${LIBSTREAM_UDF_MAP})
  # clang leaves the sanitizer symbols of a module to the host program, so undefined ones are right there.
  if(NOT (CMAKE_C_COMPILER_ID MATCHES "Clang" AND LS_SANITIZE))
    target_link_options(${target} PRIVATE -Wl,-z,defs)
  endif()
  install(TARGETS ${target} LIBRARY DESTINATION lib/libstream/udf)
endfunction()

# Arrow and Parquet C++ with S3, as the target ls_dep_arrow; only the edge room links it.
#
# A system Arrow (a CMake package) is preferred. Debian 12 has none, so the fallback is the pinned pyarrow wheel, which
# holds the same headers and shared libraries (tools/install.sh puts it into .venv).
add_library(ls_dep_arrow INTERFACE)

find_package(Arrow CONFIG QUIET)
find_package(Parquet CONFIG QUIET)
if(Arrow_FOUND AND Parquet_FOUND)
  target_link_libraries(ls_dep_arrow INTERFACE Arrow::arrow_shared Parquet::parquet_shared)
  message(STATUS "Arrow: system ${Arrow_VERSION}")
  return()
endif()

find_program(LS_PYTHON NAMES python3 HINTS ${CMAKE_SOURCE_DIR}/.venv/bin NO_DEFAULT_PATH)
if(NOT LS_PYTHON)
  message(FATAL_ERROR "No Arrow C++ found and no .venv: run tools/install.sh first, or install Arrow's CMake package")
endif()

execute_process(
  COMMAND ${LS_PYTHON} -c
    "import pyarrow as p, os; i = p.cpp_build_info; print(os.path.dirname(p.__file__), i.so_version, p.get_include(), sep=';')"
  OUTPUT_VARIABLE ls_arrow_info OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE ls_arrow_rc)
if(ls_arrow_rc)
  message(FATAL_ERROR "pyarrow cannot be imported by ${LS_PYTHON}: run tools/install.sh")
endif()
list(GET ls_arrow_info 0 ls_arrow_dir)
list(GET ls_arrow_info 1 ls_arrow_so)
list(GET ls_arrow_info 2 ls_arrow_include)

# The wheel carries libarrow.so.<n> only; it is named in full here, so that no symbolic links have to be made in it.
foreach(lib arrow parquet arrow_s3 arrow_compute)
  set(file ${ls_arrow_dir}/lib${lib}.so.${ls_arrow_so})
  if(EXISTS ${file})
    add_library(ls_arrow_${lib} SHARED IMPORTED GLOBAL)
    set_target_properties(ls_arrow_${lib} PROPERTIES IMPORTED_LOCATION ${file})
    target_link_libraries(ls_dep_arrow INTERFACE ls_arrow_${lib})
  elseif(NOT lib MATCHES "arrow_") # S3 and compute were inside libarrow in older wheels
    message(FATAL_ERROR "the pyarrow wheel has no lib${lib}.so.${ls_arrow_so}")
  endif()
endforeach()
target_include_directories(ls_dep_arrow SYSTEM INTERFACE ${ls_arrow_include})
# The wheel may lie inside the source tree, where CMake would leave it out of the installed library's run path.
set(LS_ARROW_RPATH ${ls_arrow_dir})
message(STATUS "Arrow: pyarrow wheel, so version ${ls_arrow_so}")

# Compiler flags of every target in this build. Asserts stay on in optimised builds, so NDEBUG is never defined.
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Build type" FORCE)
endif()

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

set(ls_opt -O2)
if(LS_SANITIZE OR LS_FUZZ)
  set(ls_opt -O1)
endif()
set(CMAKE_C_FLAGS_RELWITHDEBINFO "${ls_opt} -g")
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "${ls_opt} -g1") # C++ debug data of Arrow templates is most of the link time

add_compile_definitions(_POSIX_C_SOURCE=200809L _DEFAULT_SOURCE)
add_compile_options(-Wall -Wextra -Wshadow -Wpointer-arith -Wno-sign-conversion)
add_compile_options("$<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes;-Wmissing-prototypes>")
if(LS_WERROR)
  add_compile_options(-Werror)
endif()
# The same source gives the same bytes in whatever directory it is built (and ccache hits across build trees).
add_compile_options("-ffile-prefix-map=${CMAKE_SOURCE_DIR}/=")

if(LS_FUZZ)
  if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "LS_FUZZ needs clang: CC=clang-14 CXX=clang++-14 (or run ./dev fuzz)")
  endif()
  set(LS_SANITIZE address,undefined)
  add_compile_options(-fsanitize=fuzzer-no-link -Wno-unknown-warning-option)
endif()

if(LS_SANITIZE)
  add_compile_options(-fsanitize=${LS_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${LS_SANITIZE})
  if(LS_SANITIZE MATCHES "address")
    add_compile_definitions(LS_ARENA_DEBUG) # each arena allocation is a heap block of its own: overruns are seen
  endif()
  if(LS_SANITIZE MATCHES "undefined")
    # vptr needs type information that the Arrow libraries keep hidden.
    add_compile_options(-fno-sanitize-recover=undefined "$<$<COMPILE_LANGUAGE:CXX>:-fno-sanitize=vptr>")
  endif()
endif()

find_program(LS_CCACHE ccache)
if(LS_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${LS_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${LS_CCACHE})
endif()

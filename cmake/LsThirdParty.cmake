# Third-party libraries, one target each (ls_dep_<name>), so that a room links only what it owns (src/LAYERS).
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(OpenSSL REQUIRED) # SHA-256 of plugin files (udf room), HMAC (masking plugin)

pkg_check_modules(rocksdb REQUIRED IMPORTED_TARGET rocksdb>=7)
pkg_check_modules(simdjson REQUIRED IMPORTED_TARGET simdjson>=3)
pkg_check_modules(protobuf_c REQUIRED IMPORTED_TARGET libprotobuf-c)
pkg_check_modules(yaml REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(lz4 REQUIRED IMPORTED_TARGET liblz4)
pkg_check_modules(zstd REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(zlib REQUIRED IMPORTED_TARGET zlib)
pkg_check_modules(rdkafka REQUIRED IMPORTED_TARGET rdkafka>=2)
pkg_check_modules(curl REQUIRED IMPORTED_TARGET libcurl>=7.85)
pkg_check_modules(check IMPORTED_TARGET check) # unit tests; without it they are left out
if(NOT check_FOUND)
  message(WARNING "check not found: the unit tests are not built")
endif()

include(LsArrow)

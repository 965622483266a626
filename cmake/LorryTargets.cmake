# One place for the flags that every target shares.
include(GoogleTest)

add_library(lorry_flags INTERFACE)
# Installed headers are <lorry/train/run.hpp>, and include each other as "train/run.hpp".
target_include_directories(
  lorry_flags INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src> $<INSTALL_INTERFACE:include>
                        $<INSTALL_INTERFACE:include/lorry>)
target_compile_features(lorry_flags INTERFACE cxx_std_20)
target_compile_options(lorry_flags INTERFACE $<BUILD_INTERFACE:-Wall;-Wextra;-Wpedantic;-Wshadow>)
if(LORRY_UNITY)
  # g++ takes a source that another file includes for a header.
  target_compile_options(lorry_flags INTERFACE $<BUILD_INTERFACE:$<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>>)
endif()
if(LORRY_WERROR)
  target_compile_options(lorry_flags INTERFACE $<BUILD_INTERFACE:-Werror>)
endif()
if(LORRY_SANITIZE)
  target_compile_options(lorry_flags INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=all
                                               -fno-omit-frame-pointer
                                               # the tests start the program some thousand times
                                               -fno-pie
                                               # g++ 12 sees ghosts in instrumented std::function and std::regex
                                               $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  target_link_options(lorry_flags INTERFACE -fsanitize=address,undefined -no-pie)
  # Tests with many cases run a part of them here: the sanitizers make each several times slower.
  target_compile_definitions(lorry_flags INTERFACE LORRY_SANITIZED)
endif()
if(LORRY_FUZZ)
  target_compile_options(lorry_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# lorry_compile_quickly(<target>): for code that hardly runs; most of a build's time went into optimising it.
function(lorry_compile_quickly target)
  if(LORRY_SANITIZE AND NOT LORRY_FUZZ)
    target_compile_options(${target} PRIVATE -O0)
  endif()
endfunction()

# lorry_compile_test(<target>): quickly, in every configuration. Undefined behaviour is looked for in src/ alone.
function(lorry_compile_test target)
  lorry_compile_quickly(${target})
  if(LORRY_SANITIZE)
    target_compile_options(${target} PRIVATE -fno-sanitize=undefined)
  endif()
  target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O1>)
endfunction()

# lorry_unity(<target> <files...>): with LORRY_UNITY its files, but for those named, are compiled several at once.
function(lorry_unity target)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ${LORRY_UNITY} UNITY_BUILD_BATCH_SIZE ${LORRY_UNITY_BATCH})
  set_source_files_properties(${ARGN} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
endfunction()

# lorry_library(<folder> SOURCES <files...> [ALONE <files...>] [LINK <libraries...>] [LOOPS | BRIEF]): one static library
# per folder of src/. With LORRY_UNITY its files are compiled several at once, so no two of them may use one name in their
# unnamed namespaces; files under ALONE may. LOOPS: it holds loops over numbers or bytes, in which tests would crawl if
# they were not optimised. BRIEF: it only reads options and writes texts, and is compiled sooner than it would be repaid.
function(lorry_library name)
  cmake_parse_arguments(ARG "LOOPS;BRIEF" "" "SOURCES;ALONE;LINK" ${ARGN})
  add_library(lorry_${name} STATIC ${ARG_SOURCES} ${ARG_ALONE})
  target_link_libraries(lorry_${name} PUBLIC lorry_flags ${ARG_LINK})
  lorry_unity(lorry_${name} ${ARG_ALONE})
  if(NOT ARG_LOOPS)
    lorry_compile_quickly(lorry_${name})
  endif()
  if(ARG_BRIEF)
    target_compile_options(lorry_${name} PRIVATE $<$<CONFIG:Release>:-O1>)
  endif()
endfunction()

# lorry_test(<folder> SOURCES <files...> [ALONE <files...>] [LINK <libraries...>]): one GoogleTest program per folder of
# tests/, compiled several files at once with LORRY_UNITY.
function(lorry_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;ALONE;LINK" ${ARGN})
  add_executable(${name}_tests ${ARG_SOURCES} ${ARG_ALONE})
  lorry_unity(${name}_tests ${ARG_ALONE})
  lorry_compile_test(${name}_tests)
  target_link_libraries(${name}_tests PRIVATE ${ARG_LINK} lorry_test_support GTest::gtest GTest::gtest_main)
  target_compile_definitions(
    ${name}_tests PRIVATE LORRY_SOURCE_DIR="${PROJECT_SOURCE_DIR}" LORRY_BUILD_DIR="${PROJECT_BINARY_DIR}")
  gtest_discover_tests(${name}_tests TEST_PREFIX ${name}. DISCOVERY_TIMEOUT 60 DISCOVERY_MODE PRE_TEST
                       PROPERTIES TIMEOUT 900)
endfunction()

# A folder of runtime/ is one static library, weir_<folder>, with its unit tests beside the files.
#
#   weir_folder(NAME dedup
#     SOURCES stream_time.cc          # .cc files of the folder
#     DEPENDS api                     # other folders, PUBLIC: they show in this folder's headers
#     USES fmt::fmt                   # third-party libraries, PRIVATE: they never show
#     TESTS stream_time_test.cc       # one ctest executable per file
#     TEST_USES testing)              # further folders that only the tests need
function(weir_folder)
  cmake_parse_arguments(F "" "NAME" "SOURCES;DEPENDS;USES;TESTS;TEST_USES" ${ARGN})
  set(target weir_${F_NAME})
  add_library(${target} STATIC ${F_SOURCES})
  add_library(weir::${F_NAME} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${F_NAME})
  target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/runtime>
                                              $<INSTALL_INTERFACE:include/weir-runtime>)
  foreach(folder IN LISTS F_DEPENDS)
    target_link_libraries(${target} PUBLIC weir_${folder})
  endforeach()
  target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:weir_warnings> ${F_USES})
  install(TARGETS ${target} EXPORT weir ARCHIVE DESTINATION lib)
  if(WEIR_TESTS)
    foreach(file IN LISTS F_TESTS)
      get_filename_component(stem ${file} NAME_WE)
      weir_test(${F_NAME}_${stem} SOURCES ${file} USES ${target} ${F_USES})
      foreach(folder IN LISTS F_TEST_USES)
        target_link_libraries(${F_NAME}_${stem} PRIVATE weir_${folder})
      endforeach()
    endforeach()
  endif()
endfunction()

# One GoogleTest executable, every TEST in it a ctest of its own. LABELS broker: needs the real
# broker, which `ops/kafka start` names (see tests/CMakeLists.txt).
function(weir_test name)
  cmake_parse_arguments(T "" "" "SOURCES;USES;LABELS" ${ARGN})
  add_executable(${name} ${T_SOURCES})
  target_link_libraries(${name} PRIVATE weir_warnings ${T_USES} GTest::gmock GTest::gtest_main)
  # clang-tidy reads the code that ships; over gtest's macros it would take most of the gate's time.
  set_target_properties(${name} PROPERTIES CXX_CLANG_TIDY "")
  set(properties TIMEOUT 120)
  if(T_LABELS)
    list(APPEND properties LABELS "${T_LABELS}")
  endif()
  if("broker" IN_LIST T_LABELS)
    list(APPEND properties FIXTURES_REQUIRED broker
                           ENVIRONMENT WEIR_KAFKA_DIR=${CMAKE_BINARY_DIR}/kafka)
  endif()
  gtest_discover_tests(${name} TEST_PREFIX "${name}." DISCOVERY_MODE PRE_TEST
                       WORKING_DIRECTORY ${PROJECT_SOURCE_DIR} PROPERTIES ${properties})
endfunction()

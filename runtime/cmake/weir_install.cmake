# `cmake --install`, and what find_package(weir) finds: programs, libraries, headers, the functions
# that a stage's CMakeLists.txt calls. A folder's library is exported where weir_folder makes it.
include(CMakePackageConfigHelpers)
set(package lib/cmake/weir)
install(EXPORT weir NAMESPACE weir:: DESTINATION ${package} FILE weir-targets.cmake)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/weir-config.cmake.in
  ${PROJECT_BINARY_DIR}/weir-config.cmake INSTALL_DESTINATION ${package})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/weir-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/weir-config.cmake
              ${PROJECT_BINARY_DIR}/weir-config-version.cmake DESTINATION ${package})
# As in the source tree, where weir_stage.cmake looks for ../testing.
install(FILES runtime/cmake/weir_folder.cmake runtime/cmake/weir_proto.cmake
              runtime/cmake/weir_stage.cmake DESTINATION ${package}/cmake)
install(FILES runtime/testing/conformance_test.cc DESTINATION ${package}/testing)

install(DIRECTORY runtime/api/weir DESTINATION include FILES_MATCHING PATTERN "*.h")
install(DIRECTORY runtime/ DESTINATION include/weir-runtime
        FILES_MATCHING PATTERN "*.h" PATTERN cmake EXCLUDE PATTERN decisions EXCLUDE
        PATTERN testdata EXCLUDE PATTERN api/weir EXCLUDE)
install(DIRECTORY proto config DESTINATION share/weir
        FILES_MATCHING PATTERN "*.proto" PATTERN "*.yaml" PATTERN "*.json")
install(FILES LICENSE NOTICE DESTINATION share/doc/weir)

# weir_proto(TARGET FILE...): C++ messages of .proto files, as a static library. Files are given
# relative to the current folder, which is also their import root.
function(weir_proto target)
  add_library(${target} STATIC)
  set(generated ${CMAKE_CURRENT_BINARY_DIR})
  foreach(file IN LISTS ARGN)
    string(REGEX REPLACE "\\.proto$" "" stem ${file})
    add_custom_command(
      OUTPUT ${generated}/${stem}.pb.cc ${generated}/${stem}.pb.h
      COMMAND protobuf::protoc --cpp_out=${generated} -I ${CMAKE_CURRENT_SOURCE_DIR} ${file}
      WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
      DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${file}
      VERBATIM)
    target_sources(${target} PRIVATE ${generated}/${stem}.pb.cc)
  endforeach()
  target_include_directories(${target} SYSTEM PUBLIC $<BUILD_INTERFACE:${generated}>)
  target_link_libraries(${target} PUBLIC protobuf::libprotobuf)
  set_target_properties(${target} PROPERTIES CXX_CLANG_TIDY "")
endfunction()

# weir_add_stage(NAME [PROTOS target...]): the program NAME of the stage in this folder: NAME.cc with
# stages::NAME::spec(), and its test NAME_test.cc if there is one.
function(weir_add_stage name)
  cmake_parse_arguments(S "" "" "LINKS" ${ARGN})
  set(main ${CMAKE_CURRENT_BINARY_DIR}/${name}_main.cc)
  file(CONFIGURE OUTPUT ${main} CONTENT [[
#include "host/main.h"

namespace stages::@name@ {
weir::StageSpec spec();
}

int main(int argc, char** argv) { return weir::stage_main(argc, argv, stages::@name@::spec()); }
]] @ONLY)
  add_library(stage_${name} STATIC ${name}.cc)
  target_link_libraries(stage_${name} PUBLIC weir::api ${S_LINKS})
  add_executable(${name} ${main})
  target_link_libraries(${name} PRIVATE stage_${name} weir::host)
  if(TARGET weir_warnings)
    target_link_libraries(stage_${name} PRIVATE weir_warnings)
    target_link_libraries(${name} PRIVATE weir_warnings)
  endif()
endfunction()

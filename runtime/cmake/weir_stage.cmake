# weir_add_stage(NAME [LINKS target...]): the program NAME of the stage in this folder, NAME.cc with
# stages::NAME::spec(); its test NAME_test.cc if there is one; and the conformance test that every
# stage has to pass with each of its files in config/.
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
  install(TARGETS ${name} RUNTIME DESTINATION bin)
  if(WEIR_TESTS)
    if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${name}_test.cc)
      weir_test(${name}_test SOURCES ${name}_test.cc USES stage_${name} weir::testing)
    endif()
    weir_test(${name}_conformance USES stage_${name} weir::testing
      SOURCES ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../testing/conformance_test.cc)
    target_compile_definitions(${name}_conformance PRIVATE WEIR_STAGE=${name})
  endif()
  if(TARGET weir_warnings)
    target_link_libraries(stage_${name} PRIVATE weir_warnings)
    target_link_libraries(${name} PRIVATE weir_warnings)
  endif()
endfunction()

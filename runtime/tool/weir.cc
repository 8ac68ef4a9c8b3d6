#include "tool/verbs.h"

int main(int argc, char** argv) {
  return weir::tool_main(argc, argv);
}

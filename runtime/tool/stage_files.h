// The files of a new stage: the stage `hello` under another name.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "weir/status.h"

namespace weir {

// The texts of the stage `hello`, as they were when this was built.
struct HelloTexts {
  std::string_view stage;
  std::string_view test;
  std::string_view proto;
  std::string_view config;
};

const HelloTexts& hello_texts();

// Ok, or usage: why no stage can have that name.
Status check_stage_name(std::string_view name);

// Path to text. In a checkout, to put at its root; else a project of its own.
std::map<std::string, std::string> stage_files(std::string_view name, bool in_tree);

}  // namespace weir

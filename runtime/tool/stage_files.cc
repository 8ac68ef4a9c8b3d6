#include "tool/stage_files.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "config/deployment.h"

namespace weir {

namespace {

// Names that C++, the build or the runtime have taken.
constexpr std::array kTaken = std::to_array<std::string_view>(
    {"alignas",  "alignof",  "and",       "asm",       "auto",      "bitand",    "bitor",
     "bool",     "break",    "case",      "catch",     "char",      "class",     "compl",
     "concept",  "const",    "consteval", "constexpr", "continue",  "decltype",  "default",
     "delete",   "do",       "double",    "else",      "enum",      "explicit",  "export",
     "extern",   "false",    "float",     "for",       "friend",    "goto",      "if",
     "inline",   "int",      "long",      "mutable",   "namespace", "new",       "noexcept",
     "not",      "nullptr",  "operator",  "or",        "private",   "protected", "public",
     "register", "requires", "return",    "short",     "signed",    "sizeof",    "static",
     "struct",   "switch",   "template",  "this",      "throw",     "true",      "try",
     "typedef",  "typeid",   "typename",  "union",     "unsigned",  "using",     "virtual",
     "void",     "volatile", "while",     "xor",       "all",       "clean",     "format",
     "google",   "help",     "install",   "main",      "package",   "spec",      "stages",
     "std",      "test",     "testing",   "weir"});

using Replacements = std::vector<std::pair<std::string, std::string>>;

// One pass: what was put in is not looked at again; the first that fits wins.
std::string replaced(std::string_view text, const Replacements& replacements) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const auto fits = std::find_if(replacements.begin(), replacements.end(), [&](const auto& r) {
      return text.substr(i).starts_with(r.first);
    });
    if (fits == replacements.end()) {
      out.push_back(text[i++]);
    } else {
      out += fits->second;
      i += fits->first.size();
    }
  }
  return out;
}

std::string upper_camel(std::string_view name) {
  std::string out;
  bool begins_word = true;
  for (const char c : name) {
    if (c != '_') {
      out.push_back(begins_word && c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c);
    }
    begins_word = c == '_';
  }
  return out;
}

constexpr std::string_view kOwnProject = R"(cmake_minimum_required(VERSION 3.25)
project({0} LANGUAGES CXX)
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
enable_testing()

find_package(weir REQUIRED)
add_subdirectory(proto)
weir_add_stage({0} LINKS {0}_protos)
)";

}  // namespace

Status check_stage_name(std::string_view name) {
  const auto wrong = [name](std::string_view why) {
    return Status::stop(ExitCode::usage,
                        fmt::format("\"{}\" can't be a stage's name: {}", name, why));
  };
  if (name.empty() || name[0] < 'a' || name[0] > 'z' ||
      name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") != name.npos) {
    return wrong(
        "it is a C++ namespace and part of topics: a lower-case letter, then lower-case "
        "letters, digits and _");
  }
  if (name.find("__") != name.npos || name.ends_with('_')) {
    return wrong("_ stands between two words");
  }
  if (!config::is_name(name)) {
    return wrong("it is too long for the topics that are named after it");
  }
  if (std::find(kTaken.begin(), kTaken.end(), name) != kTaken.end()) {
    return wrong("C++, the build or the runtime has taken it");
  }
  return Status::ok();
}

std::map<std::string, std::string> stage_files(std::string_view given, bool in_tree) {
  const std::string name(given);
  const Replacements replacements{
      // What only the template says.
      {" The template of a new stage.", ""},
      {": the template of a new stage", ""},
      {"// The template of a stage's tests.\n",
       "// What is expected here is what `weir new stage` wrote: change it with the stage.\n"},
      // The word of the greeting is no name.
      {"greeting = \"hello\"", "greeting = \"hello\""},
      {"\"hello, Ada\"", "\"hello, Ada\""},
      // Topics of its own.
      {"raw.names", "raw." + name},
      {"dataset: greetings", "dataset: " + name + ".greetings"},
      {"hello", name},
      {"Hello", upper_camel(name)},
  };
  const HelloTexts& hello = hello_texts();
  const std::string folder = in_tree ? fmt::format("stages/{}/", name) : "";
  std::map<std::string, std::string> files{
      {fmt::format("{}{}.cc", folder, name), replaced(hello.stage, replacements)},
      {fmt::format("{}{}_test.cc", folder, name), replaced(hello.test, replacements)},
      {fmt::format("proto/{0}/v1/{0}.proto", name), replaced(hello.proto, replacements)},
      {fmt::format("config/{}.yaml", name), replaced(hello.config, replacements)},
  };
  if (in_tree) {
    files[folder + "CMakeLists.txt"] = fmt::format("weir_add_stage({} LINKS weir_protos)\n", name);
  } else {
    files["CMakeLists.txt"] = fmt::format(kOwnProject, name);
    files["proto/CMakeLists.txt"] = fmt::format("weir_proto({0}_protos {0}/v1/{0}.proto)\n", name);
  }
  return files;
}

}  // namespace weir

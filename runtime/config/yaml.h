// YAML as configuration needs it: one document of maps, lists and text, each with its place. What
// makes YAML surprising (aliases, tags, duplicate keys, text that turns into something else) is
// refused or left out.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::config {

// Where a thing was written. Lines and columns count from 1, columns in characters; line 0: the
// source has no lines (an environment variable, a default).
struct Place {
  std::string source;
  int line = 0;
  int column = 0;
};

// "config/spam.yaml:3:5", or the source alone.
std::string to_string(const Place& place);

// One thing that is wrong, said to the person who wrote it.
struct Problem {
  Place place;
  std::string text;
};

// "config/spam.yaml:3:5: text".
std::string to_string(const Problem& problem);

struct Entry;

// A scalar is the text that stands there: `no`, `012` and `1e3` are not interpreted. `nothing` is a
// missing value, `~` or `null`; `refused` one that a problem speaks of already.
struct Node {
  enum class Kind { nothing, refused, scalar, list, map };

  Kind kind = Kind::nothing;
  std::string text;
  std::vector<Node> items;
  std::vector<Entry> entries;  // in the file's order, keys are unique
  Place place;

  // The entry of a map; nullptr: none.
  const Node* find(std::string_view key) const;
  Node* find(std::string_view key);
};

struct Entry {
  std::string key;
  Place place;  // of the key
  Node value;
};

inline constexpr std::size_t kYamlBytesMax = std::size_t{1} << 20;
inline constexpr std::size_t kYamlNodesMax = 100'000;
inline constexpr std::size_t kYamlDepthMax = 64;

// `root` is absent when `text` could not be read to its end; `problems` then says why. A root
// beside problems leaves out what was refused.
struct Document {
  std::optional<Node> root;
  std::vector<Problem> problems;
};

// `source` names `text` in messages. Time and memory are linear in the text, whatever it holds.
Document read_yaml(std::string_view text, const std::string& source);

// The same with the content of a file.
Document read_yaml_file(const std::string& path);

}  // namespace weir::config

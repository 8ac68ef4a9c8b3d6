// What may stand in a deployment's file: each field declared once. Parsing, overrides, the JSON
// Schema, the reference and `echo` are made from these declarations. Inside config/ only.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/deployment.h"
#include "config/yaml.h"

namespace weir::config {

enum class FieldType { text, boolean, integer, number, duration, size, list, group };

// A scalar on its way into a struct.
struct Value {
  const std::string& key;
  const std::string& text;
  bool is_secret = false;
};

struct Group;

struct Field {
  std::string name;
  std::string help;
  FieldType type = FieldType::text;
  // The default as text, applied by the same code as a written value; nullopt: none.
  std::optional<std::string> fallback;
  // The default where it follows from other fields of the same map (empty: none), and how the
  // reference says it.
  std::function<std::string(const Node& siblings)> derived;
  std::string derived_help;
  bool is_required = false;
  std::string missing;  // what to write, said when a required field is missing
  std::string range;    // for people
  std::optional<double> minimum, maximum;
  std::vector<std::string> choices;
  std::string pattern;  // of a text, for the JSON Schema; `set` is what enforces it

  // text … size: puts a value into `object`. Empty, or what is wrong with it.
  std::function<std::string(void* object, const Value& value)> set;
  // list
  std::function<std::string(void* object, std::vector<std::string> items)> set_list;

  // group
  std::shared_ptr<const Group> group;
  std::function<void*(void* object, const std::string& key)> child;  // where its values go
  bool is_optional = false;                                          // absent: child isn't called
  std::function<void(void* object)> set_off;                         // `off` may stand in its place
};

// The fields of a map.
struct Group {
  // "input" and "spam": a wrong key is said as `spam has no input "x"`. Empty: by its path.
  std::string noun;
  std::string owner;
  std::vector<Field> fields;
  // Any other key is this field; nullptr: there is no other key.
  std::shared_ptr<const Field> any;
  std::vector<std::string> exactly_one;  // of these fields one must be there
  bool has_dotted_keys = false;          // a variable's name then spells the dots of a key as _

  const Field* find(std::string_view name) const;
  std::vector<std::string> names() const;
};

// Everything that a deployment's file may hold. `spec` may be null.
Group fields_of(const StageSpec* spec);

// What reading collects beside the values.
struct Reading {
  const Environment& environment;
  std::vector<Problem>& problems;
  std::vector<Setting> settings;
  std::map<std::string, Place> places;  // of each path that is written somewhere
  std::vector<std::string> secrets;     // every value that must not be shown
};

// Puts what stands in `map` into `object`.
void read_group(const Group& group, const Node& map, void* object,
                const std::vector<std::string>& path, Reading& reading);

// Sets what the WEIR__… variables say in `root`, whose fields are `group`.
void override_from_environment(const Group& group, const Environment& environment, Node& root,
                               std::vector<Problem>& problems);

// `text` as YAML that reads back as the same text.
std::string as_yaml(std::string_view text);

// "[a, b]" or "a, b" as a default or a variable spells a list.
std::vector<std::string> split_list(std::string_view text);

// "inputs.events.topic".
std::string dotted(const std::vector<std::string>& path);

// True where the key itself says that its value must not be shown.
bool is_secret_key(std::string_view key);

// What was said about a value, without the value where it is secret. A value that the message may
// have changed (quoted, shortened) takes the whole message with it.
std::string masked(std::string said, const std::string& value, bool is_secret);

// `text` with its ${…} resolved.
struct Resolved {
  std::string text;
  bool is_secret = false;
  std::string failure;             // empty: none
  std::vector<std::string> parts;  // as Setting::parts
};

Resolved resolve(std::string_view text, const Environment& environment);

}  // namespace weir::config

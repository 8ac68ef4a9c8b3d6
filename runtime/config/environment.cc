// What the environment says: ${…} in values, and WEIR__… in place of them.
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include <fmt/format.h>

#include "config/field.h"
#include "text/words.h"

namespace weir::config {

namespace {

constexpr std::string_view kPrefix = "WEIR__";
constexpr std::size_t kSecretFileBytesMax = std::size_t{64} << 10;

std::string lower(std::string_view text) {
  std::string made(text);
  std::transform(made.begin(), made.end(), made.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return made;
}

std::string upper(std::string_view text) {
  std::string made(text);
  std::transform(made.begin(), made.end(), made.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return made;
}

bool starts_with(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

bool is_variable_name(std::string_view name) {
  return !name.empty() && (std::isdigit(static_cast<unsigned char>(name[0])) == 0) &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return c == '_' || (c < 0x80 && std::isalnum(c) != 0);
         });
}

Resolved failed(std::string why) {
  Resolved made;
  made.failure = std::move(why);
  return made;
}

Resolved secret_file(std::string_view path) {
  if (!starts_with(path, "/")) {
    return failed(fmt::format("${{file:{}}} must name an absolute path", path));
  }
  std::ifstream file{std::string(path), std::ios::binary};
  std::string content(kSecretFileBytesMax + 1, '\0');
  file.read(content.data(), static_cast<std::streamsize>(content.size()));
  content.resize(static_cast<std::size_t>(file.gcount()));
  if (!file.is_open() || file.bad()) {
    return failed(fmt::format("{} can't be read: {}", path, std::strerror(errno)));
  }
  if (content.size() > kSecretFileBytesMax || content.find('\0') != std::string::npos) {
    return failed(fmt::format("{} is not text of at most 64KiB", path));
  }
  if (!content.empty() && content.back() == '\n') {
    content.pop_back();
  }
  return {std::move(content), true, {}, {fmt::format("${{file:{}}}", path)}};
}

// The inside of one ${…}.
Resolved reference(std::string_view inside, const Environment& environment) {
  if (starts_with(inside, "file:")) {
    return secret_file(inside.substr(5));
  }
  const std::size_t colon = inside.find(':');
  const std::string name(inside.substr(0, colon));
  const std::string_view rest =
      colon == std::string_view::npos ? std::string_view() : inside.substr(colon);
  if (!is_variable_name(name) ||
      !(rest.empty() || starts_with(rest, ":-") || starts_with(rest, ":?"))) {
    return failed(
        "a ${…} that is none of ${VAR}, ${VAR:-default}, ${VAR:?why}, ${file:/path} (a plain "
        "${ is written $${)");
  }
  const auto found = environment.find(name);
  const bool is_set = found != environment.end();
  if (is_set && (rest.empty() || !found->second.empty())) {
    return {found->second, is_secret_key(name), {}, {fmt::format("${{{}}}", name)}};
  }
  if (starts_with(rest, ":-")) {
    return {std::string(rest.substr(2)),
            is_secret_key(name),
            {},
            {fmt::format("default of ${{{}}}", name)}};
  }
  if (starts_with(rest, ":?")) {
    return failed(fmt::format("the environment must set {}: {}", name, rest.substr(2)));
  }
  return failed(fmt::format(
      "the environment doesn't set {} (a default is written ${{{}:-default}})", name, name));
}

// Finds its way from a variable's name to a node.
class Override {
 public:
  Override(const std::string& variable, const std::string& value, std::vector<Problem>& problems)
      : variable_(variable), value_(value), problems_(problems) {}

  void apply(const Group& group, Node& root) {
    std::vector<std::string> parts;
    std::string_view rest = std::string_view(variable_).substr(kPrefix.size());
    for (std::size_t end = 0; end != std::string_view::npos;) {
      end = rest.find("__");
      parts.emplace_back(rest.substr(0, end));
      rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 2);
    }
    step(group, root, parts, 0, std::string(kPrefix));
  }

 private:
  // A key as variables spell it.
  static std::string spelled(std::string_view key) {
    std::string made = upper(key);
    std::replace_if(
        made.begin(), made.end(), [](char c) { return c == '.' || c == '-'; }, '_');
    return made;
  }

  static std::string key_for(const Group& group, const Node& map, const std::string& part) {
    for (const Field& field : group.fields) {
      if (spelled(field.name) == spelled(part)) {
        return field.name;
      }
    }
    if (group.any == nullptr) {
      return {};
    }
    for (const Entry& entry : map.entries) {
      if (spelled(entry.key) == spelled(part)) {
        return entry.key;
      }
    }
    const bool is_written_in_capitals = part == upper(part);
    std::string key = is_written_in_capitals ? lower(part) : part;
    if (group.has_dotted_keys) {
      std::replace(key.begin(), key.end(), '_', '.');
    }
    return key;
  }

  void step(const Group& group, Node& map, const std::vector<std::string>& parts, std::size_t i,
            const std::string& before) {
    const std::string key = key_for(group, map, parts[i]);
    if (key.empty()) {
      std::vector<std::string> names;
      for (const Field& field : group.fields) {
        names.push_back(before + spelled(field.name));
      }
      say("is no setting" + suggestion(before + spelled(parts[i]), names));
      return;
    }
    const Field& field = group.find(key) != nullptr ? *group.find(key) : *group.any;
    if (i + 1 == parts.size()) {
      put(field, map, key);
      return;
    }
    if (field.type != FieldType::group) {
      say(fmt::format("is no setting; there is {}{}", before, spelled(key)));
      return;
    }
    Node& node = entry_of(map, key);
    if (node.kind != Node::Kind::map) {
      if (starts_with(node.place.source, kPrefix) && node.kind == Node::Kind::scalar) {
        say(fmt::format("contradicts {}={}", node.place.source, node.text));
        return;
      }
      node = Node{};
      node.kind = Node::Kind::map;
      node.place = place();
    }
    step(*field.group, node, parts, i + 1, before + spelled(key) + "__");
  }

  void put(const Field& field, Node& map, const std::string& key) {
    if (field.type == FieldType::group && !(field.set_off && value_ == "off")) {
      std::vector<std::string> names;
      for (const Field& inner : field.group->fields) {
        names.push_back(variable_ + "__" + spelled(inner.name));
      }
      say("names a group" + suggestion("", names));
      return;
    }
    Node& node = entry_of(map, key);
    if (starts_with(node.place.source, kPrefix) && node.kind != Node::Kind::nothing) {
      say("sets the same as " + node.place.source);
      return;
    }
    node = Node{};
    node.place = place();
    if (field.type == FieldType::list) {
      node.kind = Node::Kind::list;
      for (std::string& item : split_list(value_)) {
        Node made;
        made.kind = Node::Kind::scalar;
        made.text = std::move(item);
        made.place = place();
        node.items.push_back(std::move(made));
      }
    } else {
      node.kind = Node::Kind::scalar;
      node.text = value_;
    }
  }

  Node& entry_of(Node& map, const std::string& key) {
    if (Node* found = map.find(key)) {
      return *found;
    }
    map.entries.push_back({key, place(), {}});
    return map.entries.back().value;
  }

  Place place() const { return {variable_}; }

  void say(std::string text) { problems_.push_back({place(), std::move(text)}); }

  const std::string& variable_;
  const std::string& value_;
  std::vector<Problem>& problems_;
};

}  // namespace

Environment process_environment() {
  Environment made;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::size_t equals = text.find('=');
    if (equals != std::string_view::npos) {
      made.emplace(text.substr(0, equals), text.substr(equals + 1));
    }
  }
  return made;
}

bool is_secret_key(std::string_view key) {
  const std::string name = lower(key);
  return name.find("password") != std::string::npos || name.find("secret") != std::string::npos ||
         starts_with(name, "sasl.") || starts_with(name, "ssl.key");
}

Resolved resolve(std::string_view text, const Environment& environment) {
  Resolved made;
  while (!text.empty()) {
    const std::size_t dollar = text.find('$');
    made.text += text.substr(0, dollar);
    if (dollar == std::string_view::npos) {
      return made;
    }
    text.remove_prefix(dollar);
    if (starts_with(text, "$${")) {
      made.text += "${";
      text.remove_prefix(3);
    } else if (starts_with(text, "${")) {
      const std::size_t end = text.find('}');
      if (end == std::string_view::npos) {
        made.failure = "a ${ without its }";
        return made;
      }
      Resolved part = reference(text.substr(2, end - 2), environment);
      made.is_secret = made.is_secret || part.is_secret;
      if (!part.failure.empty()) {
        made.failure = std::move(part.failure);
        return made;
      }
      made.text += part.text;
      made.parts.insert(made.parts.end(), part.parts.begin(), part.parts.end());
      text.remove_prefix(end + 1);
    } else {
      made.text += '$';
      text.remove_prefix(1);
    }
  }
  return made;
}

void override_from_environment(const Group& group, const Environment& environment, Node& root,
                               std::vector<Problem>& problems) {
  for (const auto& [variable, value] : environment) {
    if (starts_with(variable, kPrefix)) {
      Override(variable, value, problems).apply(group, root);
    }
  }
}

}  // namespace weir::config

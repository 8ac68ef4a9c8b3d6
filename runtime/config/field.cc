#include "config/field.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "text/words.h"

namespace weir::config {

namespace {

constexpr std::string_view kMask = "***";
// A shorter secret would also match other words of a message.
constexpr std::size_t kMaskableBytesMin = 4;

std::string_view name_of(Node::Kind kind) {
  switch (kind) {
    case Node::Kind::nothing:
    case Node::Kind::refused:
      return "nothing";
    case Node::Kind::scalar:
      return "text";
    case Node::Kind::list:
      return "a list";
    case Node::Kind::map:
      return "a map";
  }
  return "";
}

std::vector<std::string> operator/(std::vector<std::string> path, const std::string& key) {
  path.push_back(key);
  return path;
}

// One walk over the file's tree along the declarations.
class Walk {
 public:
  explicit Walk(Reading& reading) : reading_(reading) {}

  void group(const Group& group, const Node& map, void* object,
             const std::vector<std::string>& path) {
    if (map.kind != Node::Kind::map) {
      if (map.kind == Node::Kind::nothing) {
        say_nothing(map, path);
      } else {
        say(map.place, path, fmt::format("a map of keys belongs here, not {}", name_of(map.kind)));
      }
      return;
    }
    for (const Entry& entry : map.entries) {
      reading_.places[dotted(path / entry.key)] = entry.value.place;
      if (group.find(entry.key) == nullptr && group.any == nullptr) {
        reading_.problems.push_back({entry.place, unknown(group, path, entry.key)});
      }
    }
    for (const Field& field : group.fields) {
      const Node* node = map.find(field.name);
      if (node != nullptr) {
        written(field, *node, object, path / field.name);
      } else {
        absent(field, group, map, object, path / field.name);
      }
    }
    for (const Entry& entry : map.entries) {
      if (group.find(entry.key) == nullptr && group.any != nullptr) {
        written(*group.any, entry.value, object, path / entry.key);
      }
    }
    check_exactly_one(group, map, path);
  }

 private:
  static std::string unknown(const Group& group, const std::vector<std::string>& path,
                             const std::string& key) {
    const std::string whose = !group.noun.empty() ? group.owner
                              : path.empty()      ? "a deployment"
                                                  : dotted(path);
    return fmt::format("{} has no {} {}{}", whose, group.noun.empty() ? "key" : group.noun,
                       quote(key), suggestion(key, group.names()));
  }

  void say(const Place& place, const std::vector<std::string>& path, const std::string& text) {
    reading_.problems.push_back(
        {place, path.empty() ? text : fmt::format("{}: {}", dotted(path), text)});
  }

  void say_nothing(const Node& node, const std::vector<std::string>& path) {
    say(node.place, path, "has no value: write one, or leave the key out");
  }

  void check_exactly_one(const Group& group, const Node& map,
                         const std::vector<std::string>& path) {
    if (group.exactly_one.empty()) {
      return;
    }
    const auto count = std::count_if(group.exactly_one.begin(), group.exactly_one.end(),
                                     [&map](const auto& name) { return map.find(name); });
    if (count != 1) {
      say(map.place, path,
          fmt::format("give {}{}", alternatives(group.exactly_one),
                      count == 0 ? "" : ", not more than one of them"));
    }
  }

  // True when a misspelt key was told already to mean this field.
  static bool has_slip_of(const Field& field, const Group& group, const Node& map) {
    const std::vector<std::string> names = group.names();
    return std::any_of(map.entries.begin(), map.entries.end(), [&](const Entry& entry) {
      return group.find(entry.key) == nullptr && nearest(entry.key, names) == field.name;
    });
  }

  void absent(const Field& field, const Group& siblings, const Node& map, void* object,
              const std::vector<std::string>& path) {
    if (field.is_required && has_slip_of(field, siblings, map)) {
      return;
    }
    if (field.is_required) {
      reading_.problems.push_back(
          {map.place, fmt::format("{} is missing: {}", dotted(path), field.missing)});
      return;
    }
    if (field.type == FieldType::group) {
      if (!field.is_optional) {
        Node empty;
        empty.kind = Node::Kind::map;
        empty.place = map.place;
        group(*field.group, empty, field.child(object, field.name), path);
      }
      return;
    }
    const std::string text = field.derived    ? field.derived(map)
                             : field.fallback ? *field.fallback
                                              : std::string();
    if (field.derived ? text.empty() : !field.fallback) {
      return;
    }
    if (field.type == FieldType::list) {
      std::vector<Resolved> items;
      for (std::string& item : split_list(text)) {
        items.emplace_back().text = std::move(item);
      }
      list(field, items, object, path, {"default"});
    } else {
      Resolved value;
      value.text = text;
      scalar(field, value, object, path, {"default"});
    }
  }

  void written(const Field& field, const Node& node, void* object,
               const std::vector<std::string>& path) {
    if (node.kind == Node::Kind::refused) {
      return;
    }
    if (node.kind == Node::Kind::nothing) {
      say_nothing(node, path);
      return;
    }
    if (field.type == FieldType::group) {
      if (field.set_off && node.kind == Node::Kind::scalar) {
        off(field, node, object, path);
      } else if (node.kind == Node::Kind::map) {
        group(*field.group, node, field.child(object, path.back()), path);
      } else {
        say(node.place, path,
            fmt::format("a map of keys belongs here, not {}", name_of(node.kind)));
      }
    } else if (field.type == FieldType::list) {
      written_list(field, node, object, path);
    } else if (node.kind != Node::Kind::scalar) {
      say(node.place, path, fmt::format("text belongs here, not {}", name_of(node.kind)));
    } else if (const auto resolved = value_of(node, path)) {
      scalar(field, *resolved, object, path, node.place);
    }
  }

  void off(const Field& field, const Node& node, void* object,
           const std::vector<std::string>& path) {
    const auto resolved = value_of(node, path);
    if (!resolved) {
      return;
    }
    if (resolved->text != "off") {
      say(node.place, path,
          masked(fmt::format("{} is neither off nor a map of keys", quote(resolved->text)),
                 resolved->text, resolved->is_secret));
      return;
    }
    field.set_off(object);
    reading_.settings.push_back({path, "off", node.place, resolved->parts});
  }

  void written_list(const Field& field, const Node& node, void* object,
                    const std::vector<std::string>& path) {
    if (node.kind != Node::Kind::list) {
      say(node.place, path,
          fmt::format("a list belongs here, not {}{}", name_of(node.kind),
                      node.kind == Node::Kind::scalar ? ": write [ ] around it" : ""));
      return;
    }
    std::vector<Resolved> items;
    for (const Node& item : node.items) {
      if (item.kind != Node::Kind::scalar) {
        say(item.place, path,
            fmt::format("text belongs into this list, not {}", name_of(item.kind)));
        return;
      }
      auto resolved = value_of(item, path);
      if (!resolved) {
        return;
      }
      items.push_back(std::move(*resolved));
    }
    list(field, items, object, path, node.place);
  }

  std::optional<Resolved> value_of(const Node& node, const std::vector<std::string>& path) {
    Resolved resolved = resolve(node.text, reading_.environment);
    if (!resolved.failure.empty()) {
      say(node.place, path, resolved.failure);
      return std::nullopt;
    }
    resolved.is_secret = resolved.is_secret || is_secret_key(path.back());
    if (resolved.is_secret && !resolved.text.empty()) {
      reading_.secrets.push_back(resolved.text);
    }
    return resolved;
  }

  void scalar(const Field& field, const Resolved& resolved, void* object,
              const std::vector<std::string>& path, const Place& place) {
    const auto& [text, is_secret, failure, parts] = resolved;
    if (const std::string wrong = field.set(object, Value{path.back(), text, is_secret});
        !wrong.empty()) {
      say(place, path, masked(wrong, text, is_secret));
      return;
    }
    reading_.settings.push_back({path, as_yaml(is_secret ? kMask : text), place, parts});
  }

  void list(const Field& field, const std::vector<Resolved>& items, void* object,
            const std::vector<std::string>& path, const Place& place) {
    const bool is_secret = std::any_of(items.begin(), items.end(),
                                       [](const Resolved& item) { return item.is_secret; });
    std::vector<std::string> texts, shown, parts;
    for (const Resolved& item : items) {
      texts.push_back(item.text);
      shown.push_back(as_yaml(is_secret ? kMask : item.text));
      parts.insert(parts.end(), item.parts.begin(), item.parts.end());
    }
    if (const std::string wrong = field.set_list(object, std::move(texts)); !wrong.empty()) {
      say(place, path, is_secret ? "this value is refused (it is secret and not shown)" : wrong);
      return;
    }
    reading_.settings.push_back(
        {path, fmt::format("[{}]", fmt::join(shown, ", ")), place, std::move(parts)});
  }

  Reading& reading_;
};

}  // namespace

std::string as_yaml(std::string_view text) {
  const auto is_plain_byte = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_./+-:").find(c) != std::string_view::npos;
  };
  if (!text.empty() && std::all_of(text.begin(), text.end(), is_plain_byte) && text[0] != '-' &&
      text[0] != ':' && text.back() != ':' && text != "null" && text != "Null" && text != "NULL") {
    return std::string(text);
  }
  std::string made = "\"";
  for (const char c : text) {
    if (c == '{' && made.back() == '$') {
      made += "${";
    } else if (c == '"' || c == '\\') {
      made += '\\';
      made += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      made += fmt::format("\\x{:02x}", static_cast<unsigned>(c));
    } else {
      made += c;
    }
  }
  return made + "\"";
}

std::string masked(std::string said, const std::string& value, bool is_secret) {
  if (!is_secret || said.empty()) {
    return said;
  }
  const bool is_plain = std::none_of(value.begin(), value.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == '"';
  });
  if (!is_plain || value.size() < kMaskableBytesMin || said.find(value) == std::string::npos) {
    return "this value is refused (it is secret and not shown)";
  }
  for (std::size_t at = said.find(value); at != std::string::npos;
       at = said.find(value, at + kMask.size())) {
    said.replace(at, value.size(), kMask);
  }
  return said;
}

const Field* Group::find(std::string_view name) const {
  for (const Field& field : fields) {
    if (field.name == name) {
      return &field;
    }
  }
  return nullptr;
}

std::vector<std::string> Group::names() const {
  std::vector<std::string> names;
  for (const Field& field : fields) {
    names.push_back(field.name);
  }
  return names;
}

void read_group(const Group& group, const Node& map, void* object,
                const std::vector<std::string>& path, Reading& reading) {
  Walk(reading).group(group, map, object, path);
}

std::vector<std::string> split_list(std::string_view text) {
  if (text.size() >= 2 && text.front() == '[' && text.back() == ']') {
    text = text.substr(1, text.size() - 2);
  }
  std::vector<std::string> items;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    std::string_view item = text.substr(0, comma);
    while (!item.empty() && item.front() == ' ') {
      item.remove_prefix(1);
    }
    while (!item.empty() && item.back() == ' ') {
      item.remove_suffix(1);
    }
    items.emplace_back(item);
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
  }
  return items;
}

std::string dotted(const std::vector<std::string>& path) {
  return fmt::format("{}", fmt::join(path, "."));
}

}  // namespace weir::config

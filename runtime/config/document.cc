#include "config/document.h"

#include <regex>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "config/field.h"
#include "text/words.h"

namespace weir::config {

namespace {

// ---- JSON ----

std::string json(const std::vector<std::string>& items) {
  std::string made;
  for (const std::string& item : items) {
    made += (made.empty() ? "" : ", ") + json_quote(item);
  }
  return "[" + made + "]";
}

// A JSON object, its members in the order in which they were added.
class Object {
 public:
  Object& add(std::string_view key, std::string value) {
    members_.push_back(json_quote(key) + ": " + std::move(value));
    return *this;
  }

  std::string text() const {
    if (members_.empty()) {
      return "{}";
    }
    std::string made = fmt::format("{{\n{}\n}}", fmt::join(members_, ",\n"));
    // Two spaces deeper, but for the braces.
    for (std::size_t at = made.find('\n'); at + 2 < made.size(); at = made.find('\n', at + 1)) {
      made.insert(at + 1, "  ");
    }
    return made;
  }

 private:
  std::vector<std::string> members_;
};

// ---- JSON Schema ----

constexpr const char* kReference = R"(\$\{)";
constexpr const char* kAnyScalar = R"(["string", "number", "boolean"])";

std::string group_schema(const Group& group, Object made);

// A value of another type than text may also be a ${…}, which is text.
void add_typed(Object& made, const Object& typed) {
  const std::string reference =
      Object().add("type", json_quote("string")).add("pattern", json_quote(kReference)).text();
  made.add("anyOf", fmt::format("[{}, {}]", typed.text(), reference));
}

void add_scalar(Object& made, const Field& field) {
  if (!field.choices.empty()) {
    add_typed(made, Object().add("enum", json(field.choices)));
    return;
  }
  switch (field.type) {
    case FieldType::boolean:
      add_typed(made, Object().add("type", json_quote("boolean")));
      return;
    case FieldType::integer:
    case FieldType::number: {
      Object typed;
      typed.add("type", json_quote(field.type == FieldType::integer ? "integer" : "number"));
      if (field.minimum) {
        typed.add("minimum", fmt::format("{}", *field.minimum));
        typed.add("maximum", fmt::format("{}", *field.maximum));
      }
      add_typed(made, typed);
      return;
    }
    default:
      break;
  }
  if (field.pattern.empty()) {
    made.add("type", kAnyScalar);
    return;
  }
  // An editor takes an unquoted 0 for a number.
  const bool takes_numbers = std::regex_search("0", std::regex(field.pattern));
  made.add("type", takes_numbers ? R"(["string", "number"])" : json_quote("string"));
  made.add("pattern", json_quote(fmt::format("({})|{}", field.pattern, kReference)));
}

std::string default_of(const Field& field) {
  return field.derived ? field.derived_help : field.fallback.value_or("");
}

std::string field_schema(const Field& field) {
  Object made;
  std::string description = field.help;
  if (!field.range.empty()) {
    description += fmt::format("{}Range: {}.", description.empty() ? "" : " ", field.range);
  }
  if (const std::string fallback = default_of(field); !fallback.empty()) {
    description += fmt::format("{}Default: {}.", description.empty() ? "" : " ", fallback);
  }
  if (!description.empty()) {
    made.add("description", json_quote(description));
  }
  if (field.type == FieldType::list) {
    made.add("type", json_quote("array"));
    made.add("items", Object().add("type", kAnyScalar).text());
    made.add("minItems", "1").add("uniqueItems", "true");
    return made.text();
  }
  if (field.type != FieldType::group) {
    add_scalar(made, field);
    return made.text();
  }
  if (field.set_off) {
    // To a reader of YAML 1.1 `off` is false.
    made.add("anyOf", fmt::format("[{}, {}]", Object().add("enum", R"(["off", false])").text(),
                                  group_schema(*field.group, Object())));
    return made.text();
  }
  return group_schema(*field.group, std::move(made));
}

std::string group_schema(const Group& group, Object made) {
  Object properties;
  std::vector<std::string> required;
  for (const Field& field : group.fields) {
    properties.add(field.name, field_schema(field));
    if (field.is_required) {
      required.push_back(field.name);
    }
  }
  made.add("type", json_quote("object"));
  if (!group.fields.empty()) {
    made.add("properties", properties.text());
  }
  made.add("additionalProperties", group.any ? field_schema(*group.any) : "false");
  if (!required.empty()) {
    made.add("required", json(required));
  }
  if (!group.exactly_one.empty()) {
    std::vector<std::string> ways;
    for (const std::string& name : group.exactly_one) {
      ways.push_back(Object().add("required", json(std::vector{name})).text());
    }
    made.add("oneOf", fmt::format("[{}]", fmt::join(ways, ", ")));
  }
  return made.text();
}

// ---- reference ----

constexpr const char* kPreface = R"(# Configuration

Generated from the declarations in `runtime/config/fields.cc`. One YAML file per deployment, named
after it: `ingest-comments.yaml` holds `stage: ingest`, `name: comments`. A stage's own options:
`<stage> schema`. What took effect and where it came from: `<stage> echo`.

- Unknown keys, keys given twice, aliases, anchors, merge keys and tags are errors. A scalar is the
  text that stands there: `no` is no boolean and `012` no number.
- A value may hold `${VAR}`, `${VAR:-default}` (also where VAR is empty), `${VAR:?why}` or
  `${file:/run/secrets/x}`; `$${` is a plain `${`. They are resolved after parsing.
- Each field can be set by the environment, which beats the file: `WEIR__` and the path, joined by
  `__`, in any case: `WEIR__INPUTS__EVENTS__TOPIC=raw.comments`. A list is written `a, b`. Under
  `kafka`, `_` stands for the dot: `WEIR__KAFKA__SASL_PASSWORD`. A `WEIR__` variable that names no
  field is an error.
- What comes from `${file:…}` is never shown, nor is a value whose key holds `password` or `secret`
  or begins with `sasl.` or `ssl.key`.
- Durations have a unit: `100ms`, `30s`, `5m`, `24h`, `7d`. So have sizes: `64KiB`, `10MiB`, `1GiB`.
)";

std::string type_of(const Field& field) {
  if (!field.choices.empty()) {
    std::string all;
    for (const std::string& choice : field.choices) {
      all += fmt::format("{}`{}`", all.empty() ? "" : ", ", choice);
    }
    return all;
  }
  if (!field.range.empty()) {
    return field.range;
  }
  switch (field.type) {
    case FieldType::list:
      return "list";
    case FieldType::group:
      return field.set_off ? "map or `off`" : "map";
    case FieldType::boolean:
      return "`true`, `false`";
    default:
      return "text";
  }
}

void add_group(std::string& made, const Group& group, const std::vector<std::string>& path) {
  made += fmt::format("\n## {}\n\n", path.empty() ? "The file" : "`" + dotted(path) + "`");
  if (!group.exactly_one.empty()) {
    made += fmt::format("Exactly one of `{}`.\n\n", fmt::join(group.exactly_one, "`, `"));
  }
  made += "| Field | Value | Default | Meaning |\n|---|---|---|---|\n";
  std::vector<const Field*> rows;
  for (const Field& field : group.fields) {
    rows.push_back(&field);
  }
  if (group.any) {
    rows.push_back(group.any.get());
  }
  for (const Field* field : rows) {
    const std::string fallback = field->is_required ? "required"
                                 : field->derived   ? field->derived_help
                                 : field->fallback  ? "`" + *field->fallback + "`"
                                                    : "";
    made += fmt::format("| `{}` | {} | {} | {} |\n", field->name, type_of(*field), fallback,
                        field->help);
  }
  for (const Field* field : rows) {
    // A map of texts has said all in its row.
    if (field->type == FieldType::group &&
        !(field->group->fields.empty() && field->group->any->type == FieldType::text)) {
      std::vector<std::string> inner = path;
      inner.push_back(field->name);
      add_group(made, *field->group, inner);
    }
  }
}

}  // namespace

std::string json_schema(const StageSpec* spec) {
  Object head;
  head.add("$schema", json_quote("http://json-schema.org/draft-07/schema#"));
  head.add("title", json_quote(spec != nullptr ? fmt::format("A deployment of {}", spec->name())
                                               : std::string("A deployment")));
  return group_schema(fields_of(spec), std::move(head)) + "\n";
}

std::string reference() {
  std::string made = kPreface;
  add_group(made, fields_of(nullptr), {});
  return made;
}

std::string origin_of(const Setting& setting) {
  std::vector<std::string> from = {to_string(setting.place)};
  from.insert(from.end(), setting.parts.begin(), setting.parts.end());
  return fmt::format("{}", fmt::join(from, ", "));
}

std::string echo(const Deployment& deployment) {
  std::string made;
  std::vector<std::string> open;  // the maps around the last line
  for (const Setting& setting : deployment.settings) {
    std::size_t depth = 0;
    while (depth < open.size() && depth + 1 < setting.path.size() &&
           open[depth] == setting.path[depth]) {
      ++depth;
    }
    open.resize(depth);
    for (; depth + 1 < setting.path.size(); ++depth) {
      open.push_back(setting.path[depth]);
      made += fmt::format("{:{}}{}:\n", "", 2 * depth, as_yaml(setting.path[depth]));
    }
    made += fmt::format("{:{}}{}: {}  # {}\n", "", 2 * depth, as_yaml(setting.path[depth]),
                        setting.value, origin_of(setting));
  }
  return made;
}

}  // namespace weir::config

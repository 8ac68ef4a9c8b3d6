#include "config/deployment.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <tuple>

#include <fmt/format.h>

#include "config/field.h"
#include "text/words.h"

namespace weir::config {

namespace {

constexpr std::size_t kProblemsMax = 100;
constexpr std::string_view kVersionMark = ".v";

// Whether a value has parts that YAML can speak of.
bool has_fields(Format format) {
  switch (format) {
    case Format::json:
    case Format::protobuf:
      return true;
    case Format::bytes:
      return false;
  }
  WEIR_ASSERT(false);
}

// Whether a value says by itself which of its parts has which name: else its message is needed.
bool names_fields(Format format) {
  switch (format) {
    case Format::json:
      return true;
    case Format::protobuf:
    case Format::bytes:
      return false;
  }
  WEIR_ASSERT(false);
}

// What no field can say alone.
class CrossCheck {
 public:
  CrossCheck(Deployment& deployment, const LoadOptions& options, Reading& reading)
      : deployment_(deployment), options_(options), reading_(reading) {}

  void all() {
    check_stage();
    check_protos();
    for (Input& input : deployment_.inputs) {
      check_source(input);
      check_message(input);
      check_cleaning(input);
      check_event_time(input);
      check_dedup(input);
    }
    check_topics();
    check_roots();
    check_output_messages();
    check_annotations();
    check_kafka();
  }

 private:
  bool is_written(const std::string& path) const { return reading_.places.contains(path); }

  // At the nearest place that is written.
  void say(std::string path, std::string text) {
    for (const std::string& secret : reading_.secrets) {
      if (text.find(secret) != std::string::npos) {
        text = masked(std::move(text), secret, true);
      }
    }
    const std::string said = fmt::format("{}: {}", path, text);
    for (;; path.resize(path.rfind('.'))) {
      if (const auto found = reading_.places.find(path); found != reading_.places.end()) {
        reading_.problems.push_back({found->second, said});
        return;
      }
      if (path.rfind('.') == std::string::npos) {
        reading_.problems.push_back({{deployment_.file, 1, 1}, said});
        return;
      }
    }
  }

  template <class Port>
  static const Port* find_port(const std::vector<Port>& declared, const std::string& name) {
    const auto found = std::find_if(declared.begin(), declared.end(),
                                    [&name](const Port& port) { return port.name == name; });
    return found == declared.end() ? nullptr : &*found;
  }

  const InputSpec* port_of(const Input& input) const {
    return options_.spec == nullptr ? nullptr : find_port(options_.spec->inputs(), input.name);
  }

  const OutputSpec* port_of(const Output& output) const {
    return options_.spec == nullptr ? nullptr : find_port(options_.spec->outputs(), output.name);
  }

  bool is_compiled(const Input& input) const {
    const InputSpec* port = port_of(input);
    return port != nullptr && port->descriptor != nullptr;
  }

  void check_stage() {
    if (options_.spec != nullptr && deployment_.stage != options_.spec->name() &&
        !deployment_.stage.empty()) {
      say("stage", fmt::format("this file is for {}; this program is {}", deployment_.stage,
                               options_.spec->name()));
    }
    deployment_.id = deployment_.name.empty()
                         ? deployment_.stage
                         : fmt::format("{}-{}", deployment_.stage, deployment_.name);
    if (!deployment_.id.empty() && !is_name(deployment_.id)) {
      say("name", fmt::format("{} is longer than topics can be", quote(deployment_.id)));
    }
  }

  void check_protos() {
    if (is_written("proto") && is_written("descriptor_set")) {
      say("descriptor_set", "give proto or descriptor_set, not both");
    }
    if (!deployment_.descriptor_set.empty()) {
      deployment_.import_roots.clear();
    }
    const std::filesystem::path folder = std::filesystem::path(deployment_.file).parent_path();
    const auto resolved = [&folder](const std::string& path) {
      return (folder / path).lexically_normal().string();
    };
    for (std::string& root : deployment_.import_roots) {
      root = resolved(root);
    }
    if (!deployment_.descriptor_set.empty()) {
      deployment_.descriptor_set = resolved(deployment_.descriptor_set);
    }
    const bool is_used =
        std::any_of(deployment_.inputs.begin(), deployment_.inputs.end(),
                    [this](const Input& i) { return !i.message.empty() && !is_compiled(i); });
    if (!is_used) {
      return;
    }
    std::error_code ignored;
    for (const std::string& root : deployment_.import_roots) {
      if (!std::filesystem::is_directory(root, ignored)) {
        say("proto", fmt::format("there is no folder {} (paths are relative to this file's folder)",
                                 quote(root)));
      }
    }
    if (!deployment_.descriptor_set.empty() &&
        !std::filesystem::is_regular_file(deployment_.descriptor_set, ignored)) {
      say("descriptor_set",
          fmt::format("there is no file {} (the path is relative to this file's folder)",
                      quote(deployment_.descriptor_set)));
    }
  }

  void check_source(Input& input) {
    const std::string path = "inputs." + input.name;
    if (!is_written(path + ".dataset") && is_written(path + ".version")) {
      say(path + ".version", "a topic has no version: remove it, or read a dataset");
    }
    if (!input.dataset.empty() && input.retention) {
      say(path + ".retention",
          fmt::format("the deployment that writes {} says how long it is kept: "
                      "remove this",
                      quote(input.dataset)));
    }
    if (!input.dataset.empty() && input.topic.empty()) {
      if (!is_written(path + ".version")) {
        say(path, fmt::format("which version of {}? add version: 1", quote(input.dataset)));
      }
      input.topic = topic_of(input.dataset, input.version);
    } else {
      input.version = 0;
    }
  }

  void check_message(const Input& input) {
    const std::string path = "inputs." + input.name;
    if (is_compiled(input) && !input.message.empty()) {
      say(path + ".message",
          fmt::format("{} reads {} by its code: remove message", deployment_.stage,
                      port_of(input)->descriptor->full_name()));
    }
    if (!has_fields(input.format) && (is_compiled(input) || !input.message.empty())) {
      say(path + ".format", fmt::format("bytes have no message, but {} is one: json or protobuf",
                                        is_compiled(input) ? port_of(input)->descriptor->full_name()
                                                           : input.message));
    }
  }

  void check_cleaning(const Input& input) {
    const std::string path = "inputs." + input.name;
    // Without a spec nobody knows whether the stage's code names the message.
    const bool has_message =
        !input.message.empty() || is_compiled(input) || options_.spec == nullptr;
    if (input.format == Format::json && has_message) {
      return;
    }
    for (const char* key : {"event_time", "rename", "defaults", "trim", "unknown_fields"}) {
      const std::string at = fmt::format("{}.{}", path, key);
      if (is_written(at)) {
        say(at, has_message ? "only JSON can be cleaned: format: json, or remove it"
                            : "values pass on untouched without a message: add message, or "
                              "remove this");
      }
    }
  }

  void check_event_time(const Input& input) {
    if (!input.event_time) {
      return;
    }
    const std::string path = fmt::format("inputs.{}.event_time", input.name);
    const bool is_zoneless = input.event_time->format == TimeFormat::zoneless;
    if (is_zoneless && !is_written(path + ".zone")) {
      say(path, "which zone are these times in? add zone: UTC");
    }
    if (!is_zoneless && is_written(path + ".zone")) {
      say(path + ".zone", "only zoneless times need a zone: format: zoneless, or remove it");
    }
  }

  void check_dedup(const Input& input) {
    const std::string path = fmt::format("inputs.{}.dedup", input.name);
    if (!input.dedup || !is_written(path + ".window")) {
      return;
    }
    const bool has_key = is_written(path + ".key");
    if (!has_key && !input.dedup->window) {
      say(path, "a window that is off remembers nothing: say dedup: off, or a window");
    }
    if (!has_key && input.dedup->window && options_.spec != nullptr &&
        !options_.spec->has_dedup_key()) {
      say(path, fmt::format("{} doesn't say in its code what makes two records the same: add key: "
                            "[FIELD, …], or say dedup: off",
                            deployment_.stage));
    }
    if (has_key && !has_fields(input.format)) {
      say(path + ".key", "bytes have no fields: format: json or protobuf");
    }
    if (has_key && has_fields(input.format) && !names_fields(input.format) &&
        input.message.empty() && options_.spec != nullptr && !is_compiled(input)) {
      say(path + ".key", "fields of which message? add message to this input");
    }
  }

  // No topic may be read and written, nor be bound twice: the turn would feed or double itself.
  void check_topics() {
    std::map<std::string, std::string> bound;
    const auto bind = [&](const std::string& topic, const std::string& path) {
      const auto [first, is_new] = bound.try_emplace(topic, path);
      if (!is_new && !topic.empty()) {
        say(path, fmt::format("{} is bound by {} already", topic, first->second));
      }
    };
    for (const Input& input : deployment_.inputs) {
      bind(input.topic, "inputs." + input.name);
    }
    for (Output& output : deployment_.outputs) {
      output.topic = output.dataset.empty() ? "" : topic_of(output.dataset, deployment_.version);
      bind(output.topic, "outputs." + output.name);
    }
  }

  void check_roots() {
    for (const Output& output : deployment_.outputs) {
      const std::string path = "outputs." + output.name;
      const OutputSpec* port = port_of(output);
      if (port == nullptr || !is_written(path) || output.root == port->rekeys) {
        continue;
      }
      say(path + (output.root ? ".root" : ""),
          output.root
              ? fmt::format("{} writes this output under the keys of its input: remove root",
                            deployment_.stage)
              : fmt::format("{} writes this output under keys of its own, so in an order of its "
                            "own: add root: true",
                            deployment_.stage));
    }
  }

  // Whoever reads the file without the stage's spec takes the only input's message for that of an
  // output which names none: that must be true.
  void check_output_messages() {
    const Input* passed = deployment_.inputs.size() == 1 ? &deployment_.inputs.front() : nullptr;
    for (Output& output : deployment_.outputs) {
      const bool is_named = !output.message.empty();
      const std::string taken = is_named || passed == nullptr ? output.message : passed->message;
      const OutputSpec* port = port_of(output);
      const std::string written = port == nullptr               ? taken
                                  : port->descriptor != nullptr ? port->descriptor->full_name()
                                  : passed == nullptr           ? ""
                                  : is_compiled(*passed) ? port_of(*passed)->descriptor->full_name()
                                                         : passed->message;
      output.message = written;
      if (taken.empty() || taken == written) {
        continue;
      }
      say(fmt::format("outputs.{}.message", output.name),
          written.empty() ? "values pass on untouched, without a message: remove this"
                          : fmt::format("{} writes {}: {}", deployment_.stage, written,
                                        is_named ? "say that" : "add message: " + written));
    }
  }

  void check_annotations() {
    for (Output& output : deployment_.outputs) {
      const OutputSpec* port = port_of(output);
      if (port == nullptr || port->annotation == nullptr) {
        continue;
      }
      const auto field = annotated_field(*port);
      if (field.is_ok()) {
        output.annotates = field.value()->full_name();
      } else {
        say("outputs." + output.name, field.status().message());
      }
    }
  }

  void check_kafka() {
    if (!options_.kafka_property) {
      return;
    }
    for (const KafkaProperty& property : deployment_.kafka) {
      const Status status = options_.kafka_property(property.name, property.value);
      if (!status.is_ok()) {
        // What is said of any value, as of an unknown name, shows nothing of this one.
        const Status of_none = options_.kafka_property(property.name, "");
        const bool shows_value = of_none.is_ok() || of_none.message() != status.message();
        say("kafka." + property.name,
            masked(status.message(), property.value, property.is_secret && shows_value));
      }
    }
  }

  Deployment& deployment_;
  const LoadOptions& options_;
  Reading& reading_;
};

// True when the file says that it is for another stage than the program's.
bool is_of_other_stage(const Node& root, const LoadOptions& options) {
  const Node* stage = root.find("stage");
  return options.spec != nullptr && stage != nullptr && stage->kind == Node::Kind::scalar &&
         resolve(stage->text, options.environment).text != options.spec->name();
}

Loaded load_document(Document document, const std::string& file, LoadOptions options) {
  Loaded loaded;
  loaded.problems = std::move(document.problems);
  if (!document.root) {
    return loaded;
  }
  if (document.root->kind != Node::Kind::map) {
    loaded.problems.push_back(
        {document.root->place,
         "a deployment is a map of keys, such as stage: ingest (a space follows each colon)"});
    return loaded;
  }
  if (options.takes_other_stages && is_of_other_stage(*document.root, options)) {
    options.spec = nullptr;
  }
  const Group fields = fields_of(options.spec);
  override_from_environment(fields, options.environment, *document.root, loaded.problems);
  Deployment deployment;
  deployment.file = file;
  if (options.spec != nullptr) {
    deployment.options = options.spec->make_options();
  }
  Reading reading{options.environment, loaded.problems, {}, {}, {}};
  read_group(fields, *document.root, &deployment, {}, reading);
  CrossCheck(deployment, options, reading).all();
  std::stable_sort(
      loaded.problems.begin(), loaded.problems.end(), [](const Problem& a, const Problem& b) {
        const auto rank = [](const Place& o) { return std::tuple(o.line == 0, o.line, o.column); };
        return rank(a.place) < rank(b.place);
      });
  if (const std::size_t count = loaded.problems.size(); count > kProblemsMax) {
    loaded.problems.resize(kProblemsMax);
    loaded.problems.push_back({{file}, fmt::format("and {} more", count - kProblemsMax)});
  }
  if (loaded.problems.empty()) {
    deployment.settings = std::move(reading.settings);
    loaded.deployment = std::move(deployment);
  }
  return loaded;
}

}  // namespace

std::string topic_of(std::string_view dataset, int version) {
  return fmt::format("{}{}{}", dataset, kVersionMark, version);
}

std::string dataset_of(const std::string& topic) {
  const std::size_t at = topic.rfind(kVersionMark);
  if (at == topic.npos) {
    return "";
  }
  const std::string dataset = topic.substr(0, at);
  const int version = std::atoi(topic.c_str() + at + kVersionMark.size());
  return version > 0 && topic_of(dataset, version) == topic ? dataset : "";
}

std::string dead_letters_topic(std::string_view deployment, int version) {
  return topic_of(fmt::format("{}.dead_letters", deployment), version);
}

std::string Deployment::group() const {
  return fmt::format("{}.v{}", id, version);
}

std::string Deployment::transactional_id(int lane) const {
  return fmt::format("{}.{}.{}", group(), instance, lane);
}

std::string Deployment::state_directory() const {
  return fmt::format("{}/{}/v{}/{}", state, id, version, instance);
}

std::string Deployment::dead_letters() const {
  return dead_letters_topic(id, version);
}

Status Loaded::status() const {
  if (problems.empty()) {
    return Status::ok();
  }
  std::string said;
  for (const Problem& problem : problems) {
    said += (said.empty() ? "" : "\n") + to_string(problem);
  }
  return Status::stop(ExitCode::config, std::move(said));
}

Loaded load(const std::string& file, const LoadOptions& options) {
  Loaded loaded = load_document(read_yaml_file(file), file, options);
  if (loaded.deployment && loaded.deployment->id != std::filesystem::path(file).stem()) {
    const std::string& id = loaded.deployment->id;
    loaded.problems.push_back(
        {{file},
         fmt::format("the deployment is {}: name the file {}.yaml, or change stage and name",
                     quote(id), id)});
    loaded.deployment.reset();
  }
  return loaded;
}

Loaded load_text(std::string_view text, const std::string& file, const LoadOptions& options) {
  return load_document(read_yaml(text, file), file, options);
}

}  // namespace weir::config

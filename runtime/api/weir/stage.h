// All that a stage's author includes.
//
// A stage is a pure function from a record to outputs, plus one function that says what makes two
// records the same. The runtime feeds it from Kafka, drops duplicates, and makes everything that a
// turn produced visible in one transaction.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <google/protobuf/descriptor.h>

#include "weir/out.h"
#include "weir/record.h"
#include "weir/status.h"

namespace weir {

// Thrown by Record::message when the bytes are not a message of the input's type.
class InvalidMessage : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Within the handler of an exception that a stage's function threw: what becomes of its record.
// std::bad_alloc goes on, because it may say more about the machine than about the record: the
// process dies of it, and a record on which that happens three times is set aside as any other.
Status dead_letter_of_exception();

// Thrown by Out when a stage names an output that its spec doesn't declare.
class UnknownOutput : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

// Constructor and destructor are set-up and tear-down; each lane has an object of its own, so no
// member needs a lock. A constructor that can't set up throws std::runtime_error with a message for
// the operator; the process then ends with exit code 78.
//
// `process` and `dedup_key` are pure: their results follow from the record and the options alone.
// No wall clock, no randomness, no iteration over unordered containers into an output. They are
// called again for the same record after an abort or a crash. An exception thrown by `process` sets
// that record aside as a dead letter, except std::bad_alloc.
class Stage {
 public:
  Stage() = default;
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;
  virtual ~Stage() = default;

  // Two records with equal keys are one record, whatever their offsets. An empty key is none:
  // `dedup.on_missing_key` says what becomes of its record. Not called when the YAML says
  // `dedup: off` or declares the key itself (`dedup.key`).
  virtual DedupKey dedup_key(const Record& record) const;

  // Called for each record that is no duplicate, in the order of its partition.
  virtual void process(const Record& record, Out& out) = 0;

  // The batch form, for stages that score many at once; by default each record by itself. `records`
  // may come from several partitions. Call out.at(record) before anything else for that record. It
  // must say the same as `process`, which is called again for each record of a batch that threw.
  virtual void process_batch(std::span<const Record> records, Out& out);
};

// One option of a stage: declared once, read by the parser, lint, the JSON Schema and the
// reference.
struct OptionSpec {
  std::string name;
  std::string help;
  std::string type;           // "string", "integer", "number" or "boolean"
  std::string default_value;  // as YAML text
  std::string range;          // for people, e.g. "1 … 65536"; empty: any
  // Parses `text` into the option of the struct behind `options`.
  std::function<Status(void* options, std::string_view text)> set;
};

struct InputSpec {
  std::string name;
  std::string help;
  // The compiled type; nullptr: YAML names the message, or the value passes as bytes.
  const google::protobuf::Descriptor* descriptor = nullptr;
};

struct OutputSpec {
  std::string name;
  std::string help;
  const google::protobuf::Descriptor* descriptor = nullptr;
  const google::protobuf::Descriptor* annotation = nullptr;
  bool rekeys = false;
};

// The field that an annotated output's stage sets: the only singular one of the annotation's type.
// Fails with stop(config) where the message has none such, or several.
Result<const google::protobuf::FieldDescriptor*> annotated_field(const OutputSpec& output);

template <class T>
struct OptionRange {
  T min;
  T max;
};

// What a stage is, for everyone but its author: name, ports, options, how to make one.
class StageSpec {
 public:
  // S: derived from Stage, with a nested aggregate `Options` (defaults in it) and a constructor
  // S(const Options&), or with neither. `name` is the folder's name: it starts the deployment's
  // name.
  template <class S>
  requires std::derived_from<S, Stage>

  static StageSpec of(std::string name, std::string summary) {
    StageSpec spec;
    spec.name_ = std::move(name);
    spec.summary_ = std::move(summary);
    spec.has_dedup_key_ =
        !std::is_same_v<decltype(&S::dedup_key), DedupKey (Stage::*)(const Record&) const>;
    if constexpr (requires { typename S::Options; }) {
      static_assert(std::constructible_from<S, const typename S::Options&>,
                    "a stage with Options has a constructor that takes them");
      spec.make_options_ = [] { return std::make_shared<typename S::Options>(); };
      spec.make_stage_ = [](const void* options) -> std::unique_ptr<Stage> {
        return std::make_unique<S>(*static_cast<const typename S::Options*>(options));
      };
    } else {
      static_assert(std::default_initializable<S>,
                    "a stage without public Options has a constructor without arguments");
      spec.make_options_ = [] { return nullptr; };
      spec.make_stage_ = [](const void*) { return std::make_unique<S>(); };
    }
    return spec;
  }

  // An input of a compiled message type.
  template <class M>
  StageSpec& input(std::string name, std::string help) {
    inputs_.push_back({std::move(name), std::move(help), M::descriptor()});
    return *this;
  }

  // An input whose type YAML names (`message:`), or that passes as bytes.
  StageSpec& input(std::string name, std::string help);

  template <class M>
  StageSpec& output(std::string name, std::string help) {
    outputs_.push_back({std::move(name), std::move(help), M::descriptor(), nullptr, false});
    return *this;
  }

  // An output with the type of the (only) input.
  StageSpec& output(std::string name, std::string help);

  // An output that carries the input M on with A appended in M's singular field of type A.
  template <class M, class A>
  StageSpec& annotated_output(std::string name, std::string help) {
    outputs_.push_back({std::move(name), std::move(help), M::descriptor(), A::descriptor(), false});
    return *this;
  }

  // An output under keys of the stage's own: a new root, ordered by its own log.
  StageSpec& rekeyed_output(std::string name, std::string help);

  // Raised by the author whenever the output for the same input may change.
  StageSpec& revision(int revision);

  template <class Options, class T>
  StageSpec& option(std::string name, T Options::*member, std::string help) {
    add_option<Options, T>(std::move(name), member, std::move(help), nullptr);
    return *this;
  }

  template <class Options, class T>

  requires std::integral<T> || std::floating_point<T> StageSpec& option(
      std::string name, T Options::*member, std::string help,
      std::type_identity_t<OptionRange<T>> range) {
    add_option<Options, T>(std::move(name), member, std::move(help), &range);
    return *this;
  }

  const std::string& name() const { return name_; }

  const std::string& summary() const { return summary_; }

  // True when the stage says in code what makes two records the same.
  bool has_dedup_key() const { return has_dedup_key_; }

  const std::vector<InputSpec>& inputs() const { return inputs_; }

  const std::vector<OutputSpec>& outputs() const { return outputs_; }

  const std::vector<OptionSpec>& options() const { return options_; }

  int revision() const { return revision_; }

  // A fresh options struct with its defaults; fill it with OptionSpec::set. Null where the stage
  // has no Options.
  std::shared_ptr<void> make_options() const { return make_options_(); }

  // A stage; `options` from make_options. Config failure when its constructor throws.
  Result<std::unique_ptr<Stage>> make_stage(const void* options) const;

 private:
  template <class Options, class T>
  void add_option(std::string name, T Options::*member, std::string help,
                  const OptionRange<T>* range);

  std::string name_;
  std::string summary_;
  bool has_dedup_key_ = false;
  int revision_ = 1;
  std::vector<InputSpec> inputs_;
  std::vector<OutputSpec> outputs_;
  std::vector<OptionSpec> options_;
  std::function<std::shared_ptr<void>()> make_options_;
  std::function<std::unique_ptr<Stage>(const void*)> make_stage_;
};

namespace option_text {
// Text of YAML to a value and back. A failure says what was expected; the caller adds the place.
Status parse(std::string_view text, std::string& value);
Status parse(std::string_view text, bool& value);
Status parse(std::string_view text, std::int64_t& value);
Status parse(std::string_view text, double& value);
std::string print(const std::string& value);
std::string print(bool value);
std::string print(std::int64_t value);
std::string print(double value);
}  // namespace option_text

template <class Options, class T>
void StageSpec::add_option(std::string name, T Options::*member, std::string help,
                           const OptionRange<T>* range) {
  static_assert(std::same_as<T, std::string> || std::same_as<T, bool> || std::integral<T> ||
                std::floating_point<T>);
  using Wide = std::conditional_t<std::same_as<T, std::string> || std::same_as<T, bool>, T,
                                  std::conditional_t<std::integral<T>, std::int64_t, double>>;
  OptionSpec option;
  option.type = std::same_as<T, std::string> ? "string"
                : std::same_as<T, bool>      ? "boolean"
                : std::integral<T>           ? "integer"
                                             : "number";
  option.default_value = option_text::print(static_cast<Wide>(Options{}.*member));
  std::function<bool(const Wide&)> in_range;
  if constexpr (std::integral<T> && !std::same_as<T, bool>) {
    const OptionRange<T> all{std::numeric_limits<T>::min(), std::numeric_limits<T>::max()};
    const OptionRange<T> r = range != nullptr ? *range : all;
    in_range = [r](const Wide& v) {
      return std::in_range<T>(v) && static_cast<T>(v) >= r.min && static_cast<T>(v) <= r.max;
    };
    option.range = option_text::print(static_cast<std::int64_t>(r.min)) + " … " +
                   option_text::print(static_cast<std::int64_t>(r.max));
  } else if constexpr (std::floating_point<T>) {
    if (range != nullptr) {
      const OptionRange<T> r = *range;
      in_range = [r](const Wide& v) { return v >= r.min && v <= r.max; };
      option.range = option_text::print(static_cast<double>(r.min)) + " … " +
                     option_text::print(static_cast<double>(r.max));
    }
  }
  option.set = [member, in_range, shown = option.range](void* options,
                                                        std::string_view text) -> Status {
    Wide value{};
    WEIR_TRY(option_text::parse(text, value));
    if (in_range && !in_range(value)) {
      return Status::stop(ExitCode::config, std::string(text) + " is outside " + shown);
    }
    static_cast<Options*>(options)->*member = static_cast<T>(value);
    return Status::ok();
  };
  option.name = std::move(name);
  option.help = std::move(help);
  options_.push_back(std::move(option));
}

}  // namespace weir

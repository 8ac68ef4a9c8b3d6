#include "host/main.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "assembly/lane_plan.h"
#include "codec/plan.h"
#include "config/deployment.h"
#include "config/document.h"
#include "config/lint.h"
#include "config/yaml.h"
#include "host/build.h"
#include "host/command_line.h"
#include "host/kafka_settings.h"
#include "host/log.h"
#include "host/preflight.h"
#include "host/process.h"
#include "host/run_file.h"
#include "host/try.h"

namespace weir {

namespace {

namespace fs = std::filesystem;

Result<config::Deployment> load(const std::string& file, const StageSpec& spec,
                                bool takes_other_stages = false) {
  config::LoadOptions options;
  options.spec = &spec;
  options.takes_other_stages = takes_other_stages;
  options.environment = config::process_environment();
  options.kafka_property = check_kafka_property;
  config::Loaded loaded = config::load(file, options);
  WEIR_TRY(loaded.status());
  WEIR_TRY(check_turn(*loaded.deployment));
  return std::move(*loaded.deployment);
}

// What can be known of a deployment whose file doesn't load: its id, instance, state, and which
// variables would have set something.
config::Deployment presumed(const std::string& file) {
  const config::Environment environment = config::process_environment();
  const config::Document document = config::read_yaml_file(file);
  const auto value = [&](const char* key, const char* variable, const char* otherwise) {
    if (const auto found = environment.find(variable); found != environment.end()) {
      return found->second;
    }
    const config::Node* node = document.root ? document.root->find(key) : nullptr;
    return node != nullptr && node->kind == config::Node::Kind::scalar ? node->text : otherwise;
  };
  config::Deployment deployment;
  deployment.file = file;
  deployment.id = fs::path(file).stem();
  deployment.version = 0;
  deployment.instance = value("instance", "WEIR__INSTANCE", config::kInstanceDefault);
  deployment.state = value("state", "WEIR__STATE", config::kStateDefault);
  for (const auto& [variable, unused] : environment) {
    if (variable.starts_with("WEIR__")) {
      deployment.settings.push_back({.path = {}, .value = {}, .place = {variable}, .parts = {}});
    }
  }
  return deployment;
}

// For `weir status`, if it can be known where: a mistyped path must not leave folders behind, nor a
// variable that isn't resolved an entry that no start takes away again.
void note_refusal(const config::Deployment& deployment, const Status& why) {
  constexpr std::string_view kPathOrVariable = "/$";
  std::error_code failed;
  if (fs::exists(deployment.file, failed) && fs::is_directory(deployment.state, failed) &&
      deployment.instance.find_first_of(kPathOrVariable) == std::string::npos) {
    RunFile(deployment).failed(why);
  }
}

Status parse_trusted(const std::vector<std::string>& trusted, RunOptions& options) {
  for (const std::string& one : trusted) {
    const std::size_t slash = one.rfind('/');
    std::int32_t partition = -1;
    std::int64_t offset = -1;
    if (slash != std::string::npos) {
      const char* end = one.data() + one.size();
      const auto [equals, wrong] = std::from_chars(one.data() + slash + 1, end, partition);
      const bool has_offset = wrong == std::errc{} && equals != end && *equals == '=';
      if (!has_offset || std::from_chars(equals + 1, end, offset).ptr != end) {
        offset = -1;
      }
    }
    if (partition < 0 || offset < 0) {
      return Status::stop(
          ExitCode::usage,
          fmt::format("--trust-offset {}: say TOPIC/PARTITION=OFFSET, such as comments.v1/0=1200",
                      one));
    }
    const auto [said, is_new] =
        options.trusted_offsets.try_emplace({one.substr(0, slash), partition}, offset);
    if (!is_new && said->second != NextOffset(offset)) {
      return Status::stop(ExitCode::usage, fmt::format("--trust-offset {}: it was {} before", one,
                                                       said->second.value()));
    }
  }
  return Status::ok();
}

// `is_said` becomes true where the log's last line has said the outcome.
Status run(const std::string& file, const StageSpec& spec, RunOptions options,
           const std::string& time, bool& is_said) {
  if (!time.empty()) {
    options.until_end = true;
    options.until = config::parse_time(time);
    if (!options.until) {
      return Status::stop(
          ExitCode::usage,
          fmt::format("--until {}: say a time such as 2026-01-31T00:00:00Z, or --until-end", time));
    }
  }
  const Result<config::Deployment> deployment = load(file, spec);
  if (deployment.is_ok()) {
    is_said = true;
    return run_process(deployment.value(), spec, std::move(options));
  }
  const config::Deployment refused = presumed(file);
  note_refusal(refused, deployment.status());
  // The person who mistyped something reads a list better in plain words; who collects the log
  // expects JSON alone.
  is_said = ::isatty(STDERR_FILENO) == 0;
  if (is_said) {
    const auto exit_code = static_cast<int>(exit_code_of(deployment.status()));
    Log(refused.id, config::LogLevel::info, refused.instance)
        .error("ended", {{"outcome", deployment.status().message()},
                         {"exit_code", std::to_string(exit_code)}});
  }
  return deployment.status();
}

// A key may be made of what only the JSON has, so this is no mistake; a slip is likelier.
std::string notes_on(const config::Deployment& deployment, const LanePlan& plan) {
  std::string notes;
  for (std::size_t i = 0; i < plan.formats.size(); ++i) {
    const InputFormat& format = plan.formats[i];
    if (format.form != InputFormat::Form::json) {
      continue;
    }
    const Result<DecodePlan> decode = DecodePlan::compile(format.descriptor, format.options);
    WEIR_ASSERT(decode.is_ok());  // plan_lane compiled it
    for (const std::string& note : decode.value().notes()) {
      notes += fmt::format(
          "{}: note: inputs.{}.{}; a record whose JSON has none either is treated as "
          "on_missing_key says\n",
          deployment.file, deployment.inputs[i].name, note);
    }
  }
  return notes;
}

// All that can be said without a broker. Files of other stages show what lies around this one's;
// what they say to their own stage is for its program to check.
Status lint(const std::vector<std::string>& files, const StageSpec& spec) {
  std::vector<config::Deployment> deployments;
  std::vector<std::string> own;
  std::vector<std::string> others;
  std::string wrong;
  std::string notes;
  for (const std::string& file : files) {
    Result<config::Deployment> deployment = load(file, spec, files.size() > 1);
    Status checked = deployment.status();
    if (deployment.is_ok()) {
      const bool is_own = deployment.value().stage == spec.name();
      (is_own ? own : others).push_back(file);
      if (is_own) {
        const Result<LanePlan> plan = plan_lane(deployment.value(), spec);
        notes += plan.is_ok() ? notes_on(deployment.value(), plan.value()) : "";
        checked = together({plan.status(), check_stage(deployment.value(), spec)});
      }
      deployments.push_back(std::move(deployment).value());
    }
    if (!checked.is_ok()) {
      wrong += checked.message() + "\n";
    }
  }
  if (wrong.empty() && own.empty()) {
    wrong = fmt::format(
        "{}: no file is for {}, which this program is; each stage's program checks "
        "its own\n",
        fmt::join(files, ", "), spec.name());
  }
  for (const config::Problem& problem : config::lint(deployments)) {
    wrong += config::to_string(problem) + "\n";
  }
  for (const config::Problem& note : config::lint_notes(deployments)) {
    notes += fmt::format("{}: note: {}\n", config::to_string(note.place), note.text);
  }
  fmt::print(stderr, "{}", notes);
  if (!wrong.empty()) {
    wrong.pop_back();
    return Status::stop(ExitCode::config, wrong);
  }
  fmt::print(
      "ok: {}{}{}\n", fmt::join(own, ", "),
      others.empty() ? "" : "; of other stages, only whether they fit: ", fmt::join(others, ", "));
  return Status::ok();
}

Status echo(const std::string& file, const StageSpec& spec) {
  WEIR_TRY_ASSIGN(const config::Deployment deployment, load(file, spec));
  fmt::print("{}", config::echo(deployment));
  return Status::ok();
}

Status try_out(const std::string& config, const TryOptions& options, const StageSpec& spec) {
  WEIR_TRY_ASSIGN(const config::Deployment deployment, load(config, spec));
  return try_stage(deployment, spec, options);
}

}  // namespace

int stage_main(int argc, char** argv, const StageSpec& spec) {
  CLI::App app(spec.summary(), spec.name());
  app.require_subcommand(1);
  app.set_help_all_flag("--help-all", "Help of all commands");
  std::vector<std::string> files;
  std::string file;
  TryOptions trying;
  std::string output = "text";
  RunOptions options;
  std::string until_time;
  Status done;
  bool is_said = false;

  CLI::App* run_command = app.add_subcommand("run", "Run the deployment until SIGTERM");
  run_command->footer(
      "SIGTERM, SIGINT or SIGHUP ends it when the turn is committed; where the broker doesn't\n"
      "answer, without that and within 45 s: the next start repeats the turn. A second one ends\n"
      "it within seconds.");
  run_command->add_option("CONFIG", file, "The deployment's YAML file")->required();
  run_command->add_flag(
      "--until-end", options.until_end,
      "Process what is there now, commit, end with 0; told to end before that: with 75");
  run_command->add_option("--until", until_time,
                          "As --until-end, but only records that Kafka stamped before this time "
                          "(RFC 3339)");
  std::vector<std::string> trusted;
  run_command
      ->add_option(
          "--trust-offset", trusted,
          "For one run, where dedup is off: go on from this offset of the group, which you have "
          "set with Kafka's tools. May be given for several. A supervisor that starts the run "
          "again must not repeat it")
      ->type_name("TOPIC/PARTITION=OFFSET")
      ->allow_extra_args(false);
  int silence_s_max = static_cast<int>(options.silence_max.count());
  run_command
      ->add_option("--wait", silence_s_max,
                   "Seconds that the brokers may be silent at the start (with --until-end: ever) "
                   "before it ends with 69 (60). Once it has started, a stage waits for them")
      ->check(CLI::Range(0, 86'400));
  run_command->callback([&] {
    options.silence_max = std::chrono::seconds(silence_s_max);
    done = parse_trusted(trusted, options);
    if (!done.is_ok()) {
      return;
    }
    done = run(file, spec, options, until_time, is_said);
  });

  CLI::App* try_command =
      app.add_subcommand("try",
                         "Run the stage over a file of records, without a broker. All records "
                         "have one Kafka timestamp, so that a dedup window holds them all");
  try_command->add_option("CONFIG", file, "The deployment's YAML file")->required();
  try_command->add_option("FILE", trying.file, "One record a line; - is standard input")
      ->required();
  try_command->add_option("--input", trying.input,
                          "The input that they are of, where the stage has several");
  try_command->add_option("--output", output, "text, or json: one object a line")
      ->check(CLI::IsMember({"text", "json"}));
  try_command->callback([&] {
    trying.json = output == "json";
    done = try_out(file, trying, spec);
  });

  CLI::App* lint_command =
      app.add_subcommand("lint",
                         "Check YAML files, without a broker, and that the stage can be made of "
                         "its own. Given those of other stages beside, also how they fit together");
  lint_command->add_option("CONFIG", files, "The deployments' YAML files")->required();
  lint_command->callback([&] { done = lint(files, spec); });

  app.add_subcommand("schema", "Print the JSON Schema of this stage's YAML files")->callback([&] {
    fmt::print("{}\n", config::json_schema(&spec));
  });

  CLI::App* echo_command =
      app.add_subcommand("echo", "Print the settings in force and where each comes from");
  echo_command->add_option("CONFIG", file, "The deployment's YAML file")->required();
  echo_command->callback([&] { done = echo(file, spec); });

  app.add_subcommand("version", "Print the version")->callback([&] {
    fmt::print("{} {} (weir {})\n", spec.name(), kBuildVersion, kBuildVersion);
  });

  return run_command_line(app, argc, argv, done, is_said);
}

}  // namespace weir

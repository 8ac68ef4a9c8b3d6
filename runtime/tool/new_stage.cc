// weir new stage: a stage that runs, to be changed into the one that is wanted.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "tool/stage_files.h"
#include "tool/verbs.h"

namespace weir {

namespace {

namespace fs = std::filesystem;

struct NewStageOptions {
  std::string name;
  std::string folder;  // empty: in the checkout
};

// The checkout that the working directory is in; empty: none.
fs::path checkout() {
  std::error_code failed;
  for (fs::path path = fs::current_path(failed); !path.empty(); path = path.parent_path()) {
    if (fs::exists(path / "runtime/cmake/weir_stage.cmake", failed)) {
      return path;
    }
    if (path == path.parent_path()) {
      break;
    }
  }
  return {};
}

std::string steps_in_tree(const std::string& name) {
  return fmt::format(
      "build it (a warning is an error): cmake --preset release && cmake --build --preset release "
      "--target {0}\n"
      "try it: echo '{{\"id\": \"1\", \"name\": \"Ada\"}}' | build/release/bin/{0} try "
      "config/{0}.yaml -\n"
      "have a broker, unless WEIR_BOOTSTRAP names one: ops/kafka start --port 9092\n"
      "run it: ops/weir topics apply config/{0}.yaml && build/release/bin/{0} run "
      "config/{0}.yaml\n"
      "feed it and see: echo '{{\"id\": \"1\", \"name\": \"Ada\"}}' | ops/weir produce "
      "--topic raw.{0} --key id - && ops/weir tap {0}.greetings --until-end\n"
      "test it: cmake --preset dev && cmake --build --preset dev --target {0}_test {0}_conformance "
      "&& ctest --preset dev -R '^{0}_'\n"
      "fold the lines that its name made too long: cmake --build --preset dev --target format\n"
      "change it: its code with what stages/{0}/{0}_test.cc expects of it\n",
      name);
}

std::string steps_out_of_tree(const std::string& name) {
  std::error_code failed;
  const fs::path bin = fs::read_symlink("/proc/self/exe", failed).parent_path();
  const bool is_installed = fs::exists(bin.parent_path() / "lib/cmake/weir", failed);
  const std::string prefix = is_installed ? bin.parent_path().string() : "$PWD/weir";
  const std::string install =
      is_installed
          ? ""
          : fmt::format("install weir: cmake --build {0} && cmake --install {0} --prefix \"{1}\"\n",
                        bin.parent_path().string(), prefix);
  return fmt::format(
      "{1}build it and run its tests: cmake -G Ninja -B build -DCMAKE_PREFIX_PATH=\"{2}\" && cmake "
      "--build "
      "build && ctest --test-dir build\n"
      "try it: echo '{{\"id\": \"1\", \"name\": \"Ada\"}}' | build/{0} try config/{0}.yaml -\n"
      "run it, with a broker at 127.0.0.1:9092 or where WEIR_BOOTSTRAP says: \"{2}/bin/weir\" "
      "topics apply config/{0}.yaml && build/{0} run config/{0}.yaml\n",
      name, install, prefix);
}

Status make(const NewStageOptions& options) {
  WEIR_TRY(check_stage_name(options.name));
  const bool in_tree = options.folder.empty();
  const fs::path root = in_tree ? checkout() : fs::path(options.folder);
  if (root.empty()) {
    return Status::stop(ExitCode::usage,
                        "this is not within a checkout of weir: go there, or say --out-of-tree "
                        "DIR for a project of its own");
  }
  const auto files = stage_files(options.name, in_tree);
  std::error_code failed;
  for (const auto& [path, text] : files) {
    if (fs::exists(root / path, failed)) {
      return Status::stop(ExitCode::usage, fmt::format("{} is there already; nothing was written",
                                                       (root / path).string()));
    }
  }
  for (const auto& [path, text] : files) {
    const fs::path file = root / path;
    fs::create_directories(file.parent_path(), failed);
    std::ofstream out(file);
    out << text;
    out.close();
    if (!out) {
      return Status::stop(ExitCode::disk, fmt::format("can't write {}", file.string()));
    }
    fmt::print("wrote {}\n", file.string());
  }
  std::fflush(stdout);  // first what was done
  fmt::print(stderr, "now, in {}:\n{}", fs::absolute(root, failed).lexically_normal().string(),
             in_tree ? steps_in_tree(options.name) : steps_out_of_tree(options.name));
  return Status::ok();
}

}  // namespace

void add_new(CLI::App& app, Status& done) {
  CLI::App* fresh = app.add_subcommand("new", "Begin something new");
  fresh->require_subcommand(1);
  CLI::App* command = fresh->add_subcommand(
      "stage", "Write a stage that runs, its test, its messages and its deployment");
  command->footer("Writes into the checkout that you are in, and overwrites nothing.");
  const auto options = std::make_shared<NewStageOptions>();
  command->add_option("NAME", options->name, "Lower-case letters, digits and _")->required();
  command
      ->add_option("--out-of-tree", options->folder,
                   "A project of its own in this folder, which finds an installed weir")
      ->type_name("DIR");
  command->callback([options, &done] { done = make(*options); });
}

}  // namespace weir

#include "host/command_line.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "text/words.h"

namespace weir {

namespace {

int exit_code(const Status& status) {
  if (!status.is_ok()) {
    fmt::print(stderr, "{}\n", status.message());
  }
  return static_cast<int>(exit_code_of(status));
}

// The library only says that a command is missing. Empty: every word that has to be one is.
std::string unknown_command(const CLI::App& app, std::span<char* const> words) {
  const CLI::App* at = &app;
  for (const std::string_view word : words) {
    std::vector<std::string> names;
    const CLI::App* next = nullptr;
    for (const CLI::App* command : at->get_subcommands([](const CLI::App*) { return true; })) {
      names.push_back(command->get_name());
      next = names.back() == word ? command : next;
    }
    if (next == nullptr) {
      return names.empty() ? ""
                           : fmt::format("{} has no command {}{}", at->get_name(), quote(word),
                                         suggestion(word, names));
    }
    at = next;
  }
  return "";
}

// The last command that was named, or the program.
const CLI::App& last_command(const CLI::App& app) {
  const std::vector<CLI::App*> named = app.get_subcommands();
  return named.empty() ? app : last_command(*named.back());
}

// A descriptor of 0, 1 or 2 that is closed would be given to the next file that is opened, and what
// is meant for people would be written into it.
void open_standard_streams() {
  int free = ::open("/dev/null", O_RDWR);
  while (free >= 0 && free <= STDERR_FILENO) {
    free = ::open("/dev/null", O_RDWR);
  }
  ::close(free);
}

}  // namespace

ExitCode exit_code_of(const Status& status) {
  return status.is_ok()                    ? ExitCode::ok
         : status.remedy() == Remedy::stop ? status.exit_code()
                                           : ExitCode::temporary;
}

int run_command_line(CLI::App& app, int argc, char** argv, const Status& done,
                     const bool& is_said) {
  open_standard_streams();
  const std::span<char* const> words(argv + 1, static_cast<std::size_t>(std::max(argc - 1, 0)));
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (*words[i] == '\0') {
      return exit_code(Status::stop(
          ExitCode::usage, fmt::format("argument {} is empty: is a variable not set?", i + 1)));
    }
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::RequiredError& e) {
    if (const std::string unknown = unknown_command(app, words); !unknown.empty()) {
      return exit_code(Status::stop(ExitCode::usage, unknown));
    }
    if (last_command(app).get_require_subcommand_min() > 0) {
      fmt::print(stderr, "{}", app.help());  // of the last command: they are listed there
    } else {
      app.exit(e);
    }
    return static_cast<int>(ExitCode::usage);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : static_cast<int>(ExitCode::usage);
  } catch (const std::exception& e) {
    return exit_code(
        Status::stop(ExitCode::broken, fmt::format("{}: {}", app.get_name(), e.what())));
  }
  return is_said ? static_cast<int>(exit_code_of(done)) : exit_code(done);
}

}  // namespace weir

#include "config/lint.h"

#include <filesystem>
#include <map>

#include <fmt/format.h>

#include "text/words.h"

namespace weir::config {

namespace {

// Where the deployment says the setting, or its file.
Origin origin_of(const Deployment& deployment, const std::vector<std::string>& path) {
  for (const Setting& setting : deployment.settings) {
    if (setting.path == path) {
      return setting.origin;
    }
  }
  return {deployment.file};
}

}  // namespace

std::vector<Problem> lint(std::span<const Deployment> deployments) {
  std::vector<Problem> problems;
  std::map<std::string, const Deployment*> files, writers;
  for (const Deployment& deployment : deployments) {
    const std::string stem = std::filesystem::path(deployment.file).stem().string();
    if (stem != deployment.id) {
      problems.push_back({{deployment.file},
                          fmt::format("the deployment is {}: name the file {}.yaml, or change "
                                      "stage and name",
                                      quote(deployment.id), deployment.id)});
    }
    const auto [file, is_new] = files.try_emplace(deployment.id, &deployment);
    if (!is_new) {
      problems.push_back({{deployment.file},
                          fmt::format("the deployment {} is in {} already", quote(deployment.id),
                                      file->second->file)});
      continue;
    }
    for (const Output& output : deployment.outputs) {
      const auto [writer, is_first] = writers.try_emplace(output.dataset, &deployment);
      if (!is_first && writer->second != &deployment) {
        problems.push_back(
            {origin_of(deployment, {"outputs", output.name, "dataset"}),
             fmt::format("outputs.{}.dataset: {} is written by {} ({}) already; a dataset has one "
                         "writer",
                         output.name, quote(output.dataset), writer->second->id,
                         writer->second->file)});
      }
    }
  }
  return problems;
}

}  // namespace weir::config

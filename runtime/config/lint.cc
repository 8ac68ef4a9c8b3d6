#include "config/lint.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "text/quantity.h"
#include "text/words.h"

namespace weir::config {

namespace {

// Where the deployment says the setting, or its file.
Place place_of(const Deployment& deployment, const std::vector<std::string>& path) {
  for (const Setting& setting : deployment.settings) {
    if (setting.path == path) {
      return setting.place;
    }
  }
  return {deployment.file};
}

// Which of the given deployments writes what.
struct Writer {
  const Deployment* deployment;
  const Output* output;
};

using Writers = std::map<std::string, Writer>;  // by dataset

void check_versions(const Deployment& reader, const Writers& writers,
                    std::vector<Problem>& problems) {
  for (const Input& input : reader.inputs) {
    const auto found = writers.find(input.dataset);
    if (input.dataset.empty() || found == writers.end()) {
      continue;
    }
    const Deployment& writer = *found->second.deployment;
    if (input.version > writer.version) {
      problems.push_back(
          {place_of(reader, {"inputs", input.name, "version"}),
           fmt::format("inputs.{}.version: {} is not there yet: {} ({}) writes version {}",
                       input.name, input.topic, writer.id, writer.file, writer.version)});
    }
  }
}

// The deployment that sets `field` in what `reader` reads; nullptr: none is known to.
const Writer* annotator_before(const Deployment& reader, const std::string& field,
                               const Writers& writers, std::set<const Deployment*>& seen) {
  if (!seen.insert(&reader).second) {
    return nullptr;
  }
  for (const Input& input : reader.inputs) {
    const auto found = writers.find(input.dataset);
    // Only what annotates is known to carry its input on.
    if (found == writers.end() || found->second.output->annotates.empty()) {
      continue;
    }
    const Writer& writer = found->second;
    if (writer.output->annotates == field) {
      return &writer;
    }
    if (const Writer* before = annotator_before(*writer.deployment, field, writers, seen)) {
      return before;
    }
  }
  return nullptr;
}

void check_annotations(const Deployment& deployment, const Writers& writers,
                       std::vector<Problem>& problems) {
  for (const Output& output : deployment.outputs) {
    std::set<const Deployment*> seen;
    const Writer* before = output.annotates.empty()
                               ? nullptr
                               : annotator_before(deployment, output.annotates, writers, seen);
    if (before != nullptr) {
      problems.push_back(
          {place_of(deployment, {"outputs", output.name, "dataset"}),
           fmt::format("outputs.{}: {} is in what {} reads already, {} ({}) has set it in {}: read "
                       "what that one reads, or annotate a field of your own",
                       output.name, output.annotates, deployment.id, before->deployment->id,
                       before->deployment->file, before->output->topic)});
    }
  }
}

// How long the topic is kept that `input` reads; nullopt: the given deployments don't say. `way`:
// the deployments from there to here.
std::optional<Retention> kept(const Input& input, const Writers& writers,
                              std::span<const Deployment> deployments,
                              std::set<const Deployment*>& way) {
  if (input.dataset.empty()) {
    return longest_retention(deployments, input.topic).value_or(kForEver);
  }
  const auto found = writers.find(input.dataset);
  if (found == writers.end() || found->second.deployment->version != input.version) {
    return std::nullopt;
  }
  const auto& [writer, output] = found->second;
  if (output->retention) {
    return output->retention;
  }
  if (!way.insert(writer).second) {
    return std::nullopt;
  }
  std::optional<Retention> longest = Retention::zero();
  for (const Input& before : writer->inputs) {
    const std::optional<Retention> known = kept(before, writers, deployments, way);
    longest = known && longest ? std::max(known, longest) : std::nullopt;
  }
  way.erase(writer);
  return longest;
}

void check_retention(const Deployment& deployment, const Writers& writers,
                     std::span<const Deployment> deployments, std::vector<Problem>& problems) {
  const auto text = [](Retention time) {
    return time == kForEver ? "for ever" : "for " + duration_text(time);
  };
  for (const Output& output : deployment.outputs) {
    if (output.root) {
      continue;  // its records are as old as their writing
    }
    for (const Input& input : deployment.inputs) {
      std::set<const Deployment*> way;
      const std::optional<Retention> needed = kept(input, writers, deployments, way);
      if (!output.retention || !needed || *output.retention >= *needed) {
        continue;
      }
      const bool is_unsaid = input.dataset.empty() && !longest_retention(deployments, input.topic);
      problems.push_back(
          {place_of(deployment, {"outputs", output.name, "retention"}),
           fmt::format(
               "outputs.{}.retention: {} is kept {}, its input {} {}{}: a replay would be "
               "deleted as it is written",
               output.name, output.topic, text(*output.retention), input.topic, text(*needed),
               is_unsaid ? fmt::format(" (unless inputs.{}.retention says else)", input.name)
                         : "")});
    }
  }
}

}  // namespace

std::optional<Retention> longest_retention(std::span<const Deployment> deployments,
                                           const std::string& topic) {
  std::optional<Retention> longest;
  for (const Deployment& deployment : deployments) {
    for (const Input& input : deployment.inputs) {
      if (input.topic == topic && input.retention) {
        longest = std::max(longest, input.retention);
      }
    }
  }
  return longest;
}

std::vector<Problem> lint(std::span<const Deployment> deployments) {
  std::vector<Problem> problems;
  std::map<std::string, const Deployment*> files;
  Writers writers;
  for (const Deployment& deployment : deployments) {
    const auto [file, is_new] = files.try_emplace(deployment.id, &deployment);
    if (!is_new) {
      problems.push_back({{deployment.file},
                          fmt::format("the deployment {} is in {} already", quote(deployment.id),
                                      file->second->file)});
      continue;
    }
    for (const Output& output : deployment.outputs) {
      const auto [found, is_first] =
          writers.try_emplace(output.dataset, Writer{&deployment, &output});
      const Deployment& writer = *found->second.deployment;
      if (!is_first && &writer != &deployment) {
        problems.push_back(
            {place_of(deployment, {"outputs", output.name, "dataset"}),
             fmt::format("outputs.{}.dataset: {} is written by {} ({}) already; a dataset has one "
                         "writer",
                         output.name, quote(output.dataset), writer.id, writer.file)});
      }
    }
  }
  for (const Deployment& deployment : deployments) {
    check_versions(deployment, writers, problems);
    check_annotations(deployment, writers, problems);
    check_retention(deployment, writers, deployments, problems);
  }
  return problems;
}

std::vector<Problem> lint_notes(std::span<const Deployment> deployments) {
  std::vector<Problem> notes;
  for (const Deployment& reader : deployments) {
    for (const Deployment& writer : deployments) {
      for (const Output& output : writer.outputs) {
        for (const Input& input : reader.inputs) {
          if (input.dataset != output.dataset || input.version >= writer.version) {
            continue;
          }
          notes.push_back(
              {place_of(reader, {"inputs", input.name, "version"}),
               fmt::format("inputs.{}.version: {} is read, and {} ({}) writes {}: the older one "
                           "ends where nothing of it runs any more",
                           input.name, input.topic, writer.id, writer.file, output.topic)});
        }
      }
    }
  }
  return notes;
}

}  // namespace weir::config

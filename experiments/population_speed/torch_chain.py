"""A chain of our space as a PyTorch network for images of 32 x 32 pixels and 10 classes."""

import torch
from torch import nn

from nas_jax.trial import Genome


def make_network(genome: Genome) -> nn.Sequential:
    modules: list[nn.Module] = []
    channels, side = 3, 32
    for layer in genome:
        if layer in ("max", "avg"):
            modules.append(nn.MaxPool2d(2) if layer == "max" else nn.AvgPool2d(2))
            side //= 2
        elif layer.startswith("conv"):
            size, filters = int(layer[4]), int(layer.partition("-")[2])
            convolution = nn.Conv2d(channels, filters, size, padding=size // 2, bias=False)
            modules += [convolution, nn.BatchNorm2d(filters), nn.ReLU(inplace=True)]
            channels = filters
    final = min(side, 4)
    modules += [nn.AvgPool2d(side // final), nn.Flatten()]
    inputs = final**2 * channels
    for layer in genome:
        if layer.startswith("fc"):
            units = int(layer.partition("-")[2])
            modules += [nn.Linear(inputs, units), nn.ReLU(inplace=True)]
            inputs = units
    network = nn.Sequential(*modules, nn.Linear(inputs, 10))
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network.to(memory_format=torch.channels_last)

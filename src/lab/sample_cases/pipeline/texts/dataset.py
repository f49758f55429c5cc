"""Labelled signs on disk."""
import json

import torch
from torch.utils.data import Dataset
from torchvision.io import read_image


class Signs(Dataset):
    def __init__(self, root, transform=None):
        with open(f"{root}/index.json") as f:
            self.items = json.load(f)
        self.transform = transform

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        path, label = self.items[index]
        image = read_image(path).float() / 255
        if self.transform is not None:
            image = self.transform(image)
        return image, torch.tensor(label)

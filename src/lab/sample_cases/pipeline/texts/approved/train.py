"""Trains the sign classifier."""
import argparse

import torch
import torch.nn.functional as F
import yaml
from torch.utils.data import DataLoader

from dataset import Signs
from model import SignNet


def train_epoch(model, loader, optimizer, device):
    model.train()
    total = 0.0
    for images, labels in loader:
        images, labels = images.to(device), labels.to(device)
        logits = model(images)
        loss = F.cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        total += loss.item()
    return total / len(loader)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", default="configs/train.yaml")
    with open(parser.parse_args().config) as f:
        config = yaml.safe_load(f)
    device = "cuda"
    model = SignNet(config["classes"]).to(device)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=config["optim"]["lr"], momentum=0.9, weight_decay=config["optim"]["weight_decay"]
    )
    loader = DataLoader(Signs("/data/train"), batch_size=config["batch_size"], shuffle=True)
    for epoch in range(config["epochs"]):
        loss = train_epoch(model, loader, optimizer, device)
        print(f"epoch {epoch}: loss {loss:.4f}")


if __name__ == "__main__":
    main()

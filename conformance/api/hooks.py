"""Keeps the run's own account and client out of harm: a test that deletes who tests ends all the others."""

import os

import schemathesis

OWN = set(os.environ["API_OWN"].split())


@schemathesis.hook
def filter_path_parameters(context, path_parameters):
    return not path_parameters or not OWN.intersection(map(str, path_parameters.values()))

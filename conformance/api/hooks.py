"""Keeps the run's own account and client out of harm: a test that disables who tests ends all the others."""

import os

import schemathesis

OWN = set(os.environ["API_OWN"].split())


@schemathesis.hook
def before_call(context, case, kwargs):
    for name, value in (case.path_parameters or {}).items():
        if str(value) in OWN:
            case.path_parameters[name] = "nobody"

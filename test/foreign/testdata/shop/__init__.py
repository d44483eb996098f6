"""A small Django project, served by the foreign workers under test."""
